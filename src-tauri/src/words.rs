//! What the shell itself says: in notifications and at the tray, in the window's language.

use lanyard_engine::api::RoomKind;
use serde::{Deserialize, Serialize};

/// The languages of the window, by the tags that its page has for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Language {
    #[default]
    #[serde(rename = "en")]
    English,
    #[serde(rename = "zh-CN")]
    Chinese,
}

/// A conversation, as it is named on its own.
pub fn place(kind: RoomKind, name: &str) -> String {
    match kind {
        RoomKind::Lobby | RoomKind::Open => format!("#{name}"),
        RoomKind::Direct | RoomKind::Private => name.to_owned(),
    }
}

impl Language {
    /// The name of a conversation, and how much is new in it.
    pub fn title(self, place: &str, count: u32) -> String {
        let place = isolated(place);
        match (self, count) {
            (_, 0 | 1) => place,
            (Language::English, _) => format!("{place} · {count} new"),
            (Language::Chinese, _) => format!("{place} · {count} 条新消息"),
        }
    }

    /// What somebody said in a room.
    pub fn said(self, who: &str, text: &str) -> String {
        let who = isolated(who);
        match self {
            Language::English => format!("{who}: {text}"),
            Language::Chinese => format!("{who}：{text}"),
        }
    }

    /// Something came, and nobody shall see here what. `who` is absent where the title has the name.
    pub fn new_message(self, who: Option<&str>) -> String {
        match (self, who.map(isolated)) {
            (Language::English, None) => "New message".to_owned(),
            (Language::English, Some(who)) => format!("New message from {who}"),
            (Language::Chinese, None) => "有新消息".to_owned(),
            (Language::Chinese, Some(who)) => format!("{who} 发来新消息"),
        }
    }

    /// Somebody offers files to this person, or to everybody in a room. `name` of a single file, where it may be seen.
    pub fn offer(self, who: &str, to_room: bool, files: u64, size: u64, name: Option<&str>) -> String {
        let (who, size) = (isolated(who), bytes(self, size));
        let what = match (self, name) {
            (_, Some(name)) if files == 1 => isolated(name),
            (Language::English, _) if files == 1 => "1 file".to_owned(),
            (Language::English, _) => format!("{files} files"),
            (Language::Chinese, _) => format!("{files} 个文件"),
        };
        match (self, to_room) {
            (Language::English, false) => format!("{who} wants to send you {what} ({size})"),
            (Language::English, true) => format!("{who} offers {what} ({size})"),
            (Language::Chinese, false) => format!("{who} 想发送给你 {what}（{size}）"),
            (Language::Chinese, true) => format!("{who} 分享了 {what}（{size}）"),
        }
    }

    /// Somebody calls: title and text.
    pub fn calls(self, who: &str) -> (String, String) {
        let body = match self {
            Language::English => "is calling you",
            Language::Chinese => "正在呼叫你",
        };
        (isolated(who), body.to_owned())
    }

    /// Somebody wants to compare emoji: title and text.
    pub fn wants_to_compare(self, who: &str) -> (String, String) {
        let title = isolated(who);
        let body = match self {
            Language::English => {
                "wants to compare seven emoji with you, to be sure that nobody is in between"
            }
            Language::Chinese => "想和你比对七个表情符号，以确认中间没有别人",
        };
        (title, body.to_owned())
    }

    /// A device is called like somebody verified, and has another key: title and text.
    pub fn another_key(self, who: &str) -> (String, String) {
        let who = isolated(who);
        match self {
            Language::English => (
                format!("{who}: another key"),
                "This is not the device that you verified under this name. Nothing is sent to it before you say who it is."
                    .to_owned(),
            ),
            Language::Chinese => (
                format!("{who}：密钥不同"),
                "这不是你以此名字验证过的设备。在你说明它是谁之前，不会向它发送任何内容。".to_owned(),
            ),
        }
    }

    pub fn open(self) -> &'static str {
        match self {
            Language::English => "Open Lanyard",
            Language::Chinese => "打开 Lanyard",
        }
    }

    pub fn do_not_disturb(self) -> &'static str {
        match self {
            Language::English => "Do not disturb",
            Language::Chinese => "勿扰",
        }
    }

    pub fn quit(self) -> &'static str {
        match self {
            Language::English => "Quit",
            Language::Chinese => "退出",
        }
    }

    /// What is said at the tray icon: how much nobody has read.
    pub fn unread(self, count: u32) -> String {
        match (self, count) {
            (_, 0) => "Lanyard".to_owned(),
            (Language::English, _) => format!("Lanyard: {count} unread"),
            (Language::Chinese, _) => format!("Lanyard：{count} 条未读"),
        }
    }

    /// The window was closed for the first time, and the program goes on: title and text.
    pub fn still_here(self) -> (&'static str, &'static str) {
        match self {
            Language::English => (
                "Lanyard goes on in the tray",
                "You stay reachable. Open or quit it from its icon; the settings can let closing the window quit.",
            ),
            Language::Chinese => (
                "Lanyard 继续在托盘中运行",
                "别人仍能联系到你。可从托盘图标打开或退出；在设置中可改为关闭窗口即退出。",
            ),
        }
    }
}

/// Decimal units, as file managers and disks count.
fn bytes(language: Language, count: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if count < 1000 {
        return match (language, count) {
            (Language::English, 1) => "1 byte".to_owned(),
            (Language::English, _) => format!("{count} bytes"),
            (Language::Chinese, _) => format!("{count} 字节"),
        };
    }
    let mut value = count as f64 / 1000.0;
    let mut unit = UNITS[0];
    for next in &UNITS[1..] {
        // What would be rounded to 1000 of one unit is 1 of the next.
        if value < 999.5 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    let digits = usize::from(value < 9.95 && (value * 10.0).round() % 10.0 != 0.0);
    format!("{value:.digits$} {unit}")
}

/// A name that is written from right to left would pull the words beside it along.
fn isolated(name: &str) -> String {
    let turns = |c: char| matches!(c, '\u{0590}'..='\u{08FF}' | '\u{FB1D}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFF}' | '\u{10800}'..='\u{10FFF}' | '\u{1E800}'..='\u{1EFFF}');
    if name.chars().any(turns) { format!("\u{2068}{name}\u{2069}") } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_file_managers_write_them() {
        let cases = [
            (0, "0 bytes"),
            (1, "1 byte"),
            (999, "999 bytes"),
            (1000, "1 kB"),
            (1234, "1.2 kB"),
            (9_960, "10 kB"),
            (48_000_000, "48 MB"),
            (999_600, "1 MB"),
            (1_200_000_000, "1.2 GB"),
            (5_000_000_000_000, "5 TB"),
        ];
        for (count, shown) in cases {
            assert_eq!(bytes(Language::English, count), shown, "{count}");
        }
        assert_eq!(bytes(Language::Chinese, 7), "7 字节");
    }

    #[test]
    fn a_name_from_right_to_left_stays_where_it_is_put() {
        assert_eq!(Language::English.said("Ana", "tea?"), "Ana: tea?");
        assert_eq!(Language::English.said("דנה", "tea?"), "\u{2068}דנה\u{2069}: tea?");
    }

    #[test]
    fn a_language_has_the_tag_that_the_page_has_for_it() {
        assert_eq!(serde_json::to_value(Language::Chinese).unwrap(), "zh-CN");
        assert_eq!(serde_json::from_str::<Language>("\"en\"").unwrap(), Language::English);
        assert!(serde_json::from_str::<Language>("\"fr\"").is_err());
    }
}
