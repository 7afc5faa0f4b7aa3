//! Which interfaces are wanted, as it is found again.

use super::*;
use crate::api::InterfaceChoice;

#[tokio::test]
async fn what_was_chosen_of_interfaces_is_found_again_until_it_is_automatic() {
    let home = Home::new();
    let (store, _) = home.open();
    assert!(store.interface_choices().await.unwrap().is_empty());
    for (name, choice) in [
        ("eth0", InterfaceChoice::Always),
        ("eth0", InterfaceChoice::Never),
        ("tun0", InterfaceChoice::Always),
        ("以太网", InterfaceChoice::Never),
        ("eth9", InterfaceChoice::Automatic),
    ] {
        store.use_interface(name.to_owned(), choice).await.unwrap().await.unwrap();
    }
    store.close().await.unwrap();
    let (store, _) = home.open();
    let expected = [
        ("eth0", InterfaceChoice::Never),
        ("tun0", InterfaceChoice::Always),
        ("以太网", InterfaceChoice::Never),
    ];
    let expected = expected.map(|(name, choice)| (name.to_owned(), choice));
    assert_eq!(store.interface_choices().await.unwrap(), expected.into());
    store.use_interface("tun0".to_owned(), InterfaceChoice::Automatic).await.unwrap().await.unwrap();
    assert_eq!(store.interface_choices().await.unwrap().len(), 2);
}
