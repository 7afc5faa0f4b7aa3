//! The sixty-four emoji of the Matrix specification ("SAS method: emoji"): chosen there to look different from each
//! other on every system and to have a short name in every language.

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emoji {
    pub symbol: &'static str,
    /// In English.
    pub name: &'static str,
}

/// By their numbers: six bits each.
pub const EMOJI: [Emoji; 64] = [
    emoji("🐶", "Dog"),
    emoji("🐱", "Cat"),
    emoji("🦁", "Lion"),
    emoji("🐎", "Horse"),
    emoji("🦄", "Unicorn"),
    emoji("🐷", "Pig"),
    emoji("🐘", "Elephant"),
    emoji("🐰", "Rabbit"),
    emoji("🐼", "Panda"),
    emoji("🐓", "Rooster"),
    emoji("🐧", "Penguin"),
    emoji("🐢", "Turtle"),
    emoji("🐟", "Fish"),
    emoji("🐙", "Octopus"),
    emoji("🦋", "Butterfly"),
    emoji("🌷", "Flower"),
    emoji("🌳", "Tree"),
    emoji("🌵", "Cactus"),
    emoji("🍄", "Mushroom"),
    emoji("🌏", "Globe"),
    emoji("🌙", "Moon"),
    emoji("☁\u{FE0F}", "Cloud"),
    emoji("🔥", "Fire"),
    emoji("🍌", "Banana"),
    emoji("🍎", "Apple"),
    emoji("🍓", "Strawberry"),
    emoji("🌽", "Corn"),
    emoji("🍕", "Pizza"),
    emoji("🎂", "Cake"),
    emoji("❤\u{FE0F}", "Heart"),
    emoji("😀", "Smiley"),
    emoji("🤖", "Robot"),
    emoji("🎩", "Hat"),
    emoji("👓", "Glasses"),
    emoji("🔧", "Spanner"),
    emoji("🎅", "Santa"),
    emoji("👍", "Thumbs Up"),
    emoji("☂\u{FE0F}", "Umbrella"),
    emoji("⌛", "Hourglass"),
    emoji("⏰", "Clock"),
    emoji("🎁", "Gift"),
    emoji("💡", "Light Bulb"),
    emoji("📕", "Book"),
    emoji("✏\u{FE0F}", "Pencil"),
    emoji("📎", "Paperclip"),
    emoji("✂\u{FE0F}", "Scissors"),
    emoji("🔒", "Lock"),
    emoji("🔑", "Key"),
    emoji("🔨", "Hammer"),
    emoji("☎\u{FE0F}", "Telephone"),
    emoji("🏁", "Flag"),
    emoji("🚂", "Train"),
    emoji("🚲", "Bicycle"),
    emoji("✈\u{FE0F}", "Aeroplane"),
    emoji("🚀", "Rocket"),
    emoji("🏆", "Trophy"),
    emoji("⚽", "Ball"),
    emoji("🎸", "Guitar"),
    emoji("🎺", "Trumpet"),
    emoji("🔔", "Bell"),
    emoji("⚓", "Anchor"),
    emoji("🎧", "Headphones"),
    emoji("📁", "Folder"),
    emoji("📌", "Pin"),
];

const fn emoji(symbol: &'static str, name: &'static str) -> Emoji {
    Emoji { symbol, name }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_look_or_are_called_the_same() {
        assert_eq!(EMOJI.iter().map(|emoji| emoji.symbol).collect::<BTreeSet<_>>().len(), 64);
        assert_eq!(EMOJI.iter().map(|emoji| emoji.name).collect::<BTreeSet<_>>().len(), 64);
    }
}
