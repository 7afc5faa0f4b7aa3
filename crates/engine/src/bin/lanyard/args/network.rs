//! The words of `lanyard network`.

use clap::{Args as ClapArgs, ValueEnum};
use lanyard_engine::api::InterfaceChoice;

#[derive(Debug, ClapArgs)]
pub struct Interfaces {
    /// An interface as it is listed; one that is not there is remembered for when it comes.
    #[arg(value_name = "IF")]
    pub interface: Option<String>,
    /// When it is used.
    #[arg(value_enum, requires = "interface")]
    pub choice: Option<UseOf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum UseOf {
    /// If it is up and no tunnel, as of a VPN.
    Auto,
    /// Whenever it is up.
    Always,
    /// Never: nothing is sent, dialled or accepted over it.
    Never,
}

impl From<UseOf> for InterfaceChoice {
    fn from(choice: UseOf) -> InterfaceChoice {
        match choice {
            UseOf::Auto => InterfaceChoice::Automatic,
            UseOf::Always => InterfaceChoice::Always,
            UseOf::Never => InterfaceChoice::Never,
        }
    }
}
