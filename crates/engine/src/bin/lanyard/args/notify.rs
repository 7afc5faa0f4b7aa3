//! The words of `lanyard notify`.

use clap::{Args as ClapArgs, ValueEnum};
use lanyard_engine::api::NotifyLevel;

#[derive(Debug, ClapArgs)]
pub struct Notify {
    /// '#room' or @person, to choose for one conversation; without it the settings for all are meant.
    #[arg(conflicts_with_all = ["do_not_disturb", "previews", "rooms"])]
    pub to: Option<String>,
    /// What is told of that conversation.
    #[arg(value_enum)]
    pub level: Option<Level>,
    /// Tell nothing at all, until it is switched off again.
    #[arg(long, value_name = "ON|OFF", value_parser = switch)]
    pub do_not_disturb: Option<bool>,
    /// Show what was written, and not only by whom.
    #[arg(long, value_name = "ON|OFF", value_parser = switch)]
    pub previews: Option<bool>,
    /// What is told of rooms without a choice of their own.
    #[arg(long, value_name = "LEVEL", value_parser = general_level)]
    pub rooms: Option<NotifyLevel>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// Everything.
    All,
    /// Only what mentions or answers this device.
    Mentions,
    /// Nothing.
    None,
    /// As the settings for all say.
    Default,
}

impl Level {
    /// `None` where there is no choice of its own.
    pub fn of_one(self) -> Option<NotifyLevel> {
        match self {
            Level::All => Some(NotifyLevel::All),
            Level::Mentions => Some(NotifyLevel::Mentions),
            Level::None => Some(NotifyLevel::None),
            Level::Default => None,
        }
    }
}

fn switch(word: &str) -> Result<bool, String> {
    match word {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("write on or off".to_owned()),
    }
}

fn general_level(word: &str) -> Result<NotifyLevel, String> {
    match word {
        "all" => Ok(NotifyLevel::All),
        "mentions" => Ok(NotifyLevel::Mentions),
        "none" => Ok(NotifyLevel::None),
        _ => Err("write all, mentions or none".to_owned()),
    }
}
