//! What packages carry is valid, names what there is, and says what the program does.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lanyard_engine::config::{CALL_PORT, DEFAULT_PORT};
use lanyard_tests::hosts::built_beside;
use serde_json::Value;

#[test]
fn firewalls_open_the_ports_that_the_program_uses() {
    let port = DEFAULT_PORT.to_string();
    let ufw = read("packaging/linux/root/etc/ufw/applications.d/lanyard");
    let (group, single) = (CALL_PORT, CALL_PORT + 1);
    assert!(ufw.contains(&format!("\nports={port}/tcp|{port}:{single}/udp\n")), "{ufw}");
    let firewalld = read("packaging/linux/root/usr/lib/firewalld/services/lanyard.xml");
    let opened: Vec<&str> = firewalld.lines().filter(|line| line.contains("<port ")).map(str::trim).collect();
    let calls = format!("{group}-{single}");
    let expected = [("udp", &port), ("tcp", &port), ("udp", &calls)]
        .map(|(protocol, port)| format!("<port protocol=\"{protocol}\" port=\"{port}\"/>"));
    assert_eq!(opened, expected);
    // What a person or another program is told.
    assert!(read("crates/proto/PROTOCOL.md").contains(&format!("\nPort {port} for UDP")));
    for installer in ["hooks.nsh", "lanyard.wxs"] {
        assert!(read(&format!("packaging/windows/{installer}")).contains(&format!("where {port} is taken")));
    }
}

#[test]
fn the_desktop_entry_opens_links() {
    let entry = "packaging/linux/lanyard.desktop";
    passes(Command::new("desktop-file-validate").arg(repository().join(entry)));
    let entry = read(entry);
    // Tauri's bundler names program and icons.
    for line in ["Exec=lanyard-desktop %U", "Icon=lanyard-desktop", "MimeType=x-scheme-handler/lanyard;"] {
        assert!(entry.lines().any(|has| has == line), "no {line}");
    }
    assert_eq!(configuration()["plugins"]["deep-link"]["desktop"]["schemes"][0], "lanyard");
}

#[test]
fn software_centres_know_what_it_is() {
    let about = "packaging/linux/root/usr/share/metainfo/app.lanyard.desktop.metainfo.xml";
    passes(Command::new("appstreamcli").args(["validate", "--no-net"]).arg(repository().join(about)));
    let about = read(about);
    let newest = about.lines().find(|line| line.contains("<release ")).unwrap_or_default();
    let version = env!("CARGO_PKG_VERSION");
    assert!(newest.contains(&format!("version=\"{version}\"")), "the newest release is {version}: {newest}");
    let id = configuration()["identifier"].as_str().map(str::to_owned);
    assert!(about.contains(&format!("<id>{}</id>", id.expect("the program has an identifier"))));
    assert!(about.contains(">lanyard.desktop</launchable>"));
}

#[test]
fn the_units_run_nodes() {
    let user = "packaging/linux/root/usr/lib/systemd/user/lanyard.service";
    let system = "packaging/linux/root/usr/lib/systemd/system/lanyard-relay.service";
    for (of, unit, runs) in [
        ("--user", user, "ExecStart=/usr/bin/lanyard up\n"),
        ("--system", system, "ExecStart=/usr/bin/lanyard --profile ${STATE_DIRECTORY} up --relay "),
    ] {
        let name = Path::new(unit).file_name().expect("a file");
        let unit = read(unit);
        assert!(unit.contains(runs), "{unit}");
        // Before 250 it looks at all that a unit may need, too.
        let helps = Command::new("systemd-analyze").arg("--help").output();
        if !helps.is_ok_and(|helps| String::from_utf8_lossy(&helps.stdout).contains("--recursive-errors")) {
            println!("skipped: this system's systemd-analyze cannot check one unit alone");
            return;
        }
        // The program is not installed here, and pages of the manual neither.
        let here = unit.replace("/usr/bin/lanyard", &built_beside("lanyard").to_string_lossy());
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(name);
        fs::write(&file, here).expect("a file");
        let runtime = folder.path().join("runtime");
        fs::create_dir(&runtime).expect("a folder");
        let verify = [of, "verify", "--man=no", "--recursive-errors=no"];
        let said =
            passes(Command::new("systemd-analyze").args(verify).arg(&file).env("XDG_RUNTIME_DIR", runtime));
        assert_eq!(String::from_utf8_lossy(&said.stderr), "");
    }
}

#[test]
fn shells_and_the_manual_understand_what_the_program_writes_for_them() {
    let folder = tempfile::tempdir().expect("a folder");
    passes(Command::new(built_beside("lanyard")).arg("manual").arg(folder.path()));
    for (shell, file) in [("bash", "lanyard.bash"), ("zsh", "_lanyard"), ("fish", "lanyard.fish")] {
        if is_there(shell) {
            passes(Command::new(shell).arg("-n").arg(folder.path().join("completions").join(file)));
        }
    }
    if is_there("man") {
        for page in fs::read_dir(folder.path().join("man1")).expect("pages were written") {
            let page = page.expect("a page").path();
            let said = passes(
                Command::new("man")
                    .args(["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"])
                    .arg(&page)
                    .env_remove("LANGUAGE")
                    .env("LC_ALL", "C.UTF-8"),
            );
            assert_eq!(String::from_utf8_lossy(&said.stderr), "", "{}", page.display());
        }
    }
    let window = passes(Command::new(built_beside("lanyard-desktop")).arg("--manual"));
    assert!(String::from_utf8_lossy(&window.stdout).contains(".SH SYNOPSIS"));
}

#[test]
fn every_file_that_the_bundler_is_told_of_exists() {
    let mut named = Vec::new();
    paths(&configuration()["bundle"], &mut named);
    assert!(named.len() > 8, "{named:?}");
    for path in named {
        assert!(repository().join(&path).is_file(), "tauri.conf.json names {path}, which is not there");
    }
}

#[test]
fn each_rule_of_the_firewall_of_windows_has_a_name_of_its_own() {
    let fragment = read("packaging/windows/lanyard.wxs");
    let rules = fragment.lines().filter(|line| line.contains("fire:FirewallException"));
    let names: Vec<&str> =
        rules.filter_map(|rule| rule.split(" Name=\"").nth(1)?.split('"').next()).collect();
    let different: std::collections::BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!((names.len(), different.len()), (4, 4), "{names:?}");
}

#[test]
fn the_oldest_macos_is_one() {
    let oldest = configuration()["bundle"]["macOS"]["minimumSystemVersion"].as_str().map(str::to_owned);
    let oldest = oldest.expect("there is an oldest macOS");
    assert!(read("xtask/src/package.rs").contains(&format!("OLDEST_MACOS: &str = \"{oldest}\"")));
}

/// Every string that is a path.
fn paths(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) if text.starts_with("packaging/") || text.starts_with("src-tauri/") => {
            found.push(text.clone());
        }
        Value::Array(values) => values.iter().for_each(|value| paths(value, found)),
        Value::Object(fields) => fields.values().for_each(|value| paths(value, found)),
        _ => {}
    }
}

fn passes(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(output.status.success(), "{command:?} ended with {}: {}", output.status, said.concat());
    output
}

fn is_there(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| folder.join(program).is_file())
}

fn configuration() -> Value {
    serde_json::from_str(&read("tauri.conf.json")).expect("tauri.conf.json is JSON")
}

fn read(path: &str) -> String {
    let path = repository().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the repository").to_owned()
}
