//! What a package for Linux has besides the programs, and how it is tried out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use super::Kind;
use crate::process::{built, command, output, root, run};

/// Adds files, and what both programs need.
pub fn add(folder: &Path, kinds: &[Kind], additions: &mut Value) -> Result<()> {
    let tree = folder.join("root");
    if tree.exists() {
        fs::remove_dir_all(&tree)?;
    }
    lay(&tree, folder)?;
    let programs = [built("dist", "lanyard-desktop")?, built("dist", "lanyard")?];
    // Only Debian can say which of its packages have the libraries.
    let packages = match kinds.contains(&Kind::Deb) {
        true => debian_packages(folder, &programs)?,
        false => Vec::new(),
    };
    // The name of the package and of the desktop file, as is the custom here.
    additions["productName"] = json!("lanyard");
    additions["bundle"]["linux"] = json!({
        "deb": { "files": files(&tree, ZSH_OF_DEBIAN)?, "depends": packages },
        "rpm": { "files": files(&tree, ZSH_OF_OTHERS)?, "depends": libraries(&programs)? },
        "appimage": { "files": files(&tree, ZSH_OF_OTHERS)? },
    });
    Ok(())
}

/// Lays the files out as they are to lie on a system.
fn lay(tree: &Path, folder: &Path) -> Result<()> {
    copy(&root().join("packaging/linux/root"), tree)?;
    let icons = root().join("src-tauri/icons");
    put(&icons.join("lanyard.svg"), &tree.join("usr/share/icons/hicolor/scalable/apps/lanyard-desktop.svg"))?;

    let manual = folder.join("manual");
    if manual.exists() {
        fs::remove_dir_all(&manual)?;
    }
    run(Command::new(built("dist", "lanyard")?).arg("manual").arg(&manual))?;
    let page = output(Command::new(built("dist", "lanyard-desktop")?).arg("--manual"));
    fs::write(manual.join("man1/lanyard-desktop.1"), page.context("the window's program writes no manual")?)?;
    let pages = tree.join("usr/share/man/man1");
    copy(&manual.join("man1"), &pages)?;
    // Without names and times, so that the same build gives the same bytes.
    run(command("gzip").args(["-9", "--no-name", "--recursive"]).arg(&pages))?;

    let completions = manual.join("completions");
    let share = tree.join("usr/share");
    put(&completions.join("lanyard.bash"), &share.join("bash-completion/completions/lanyard"))?;
    put(&completions.join("lanyard.fish"), &share.join("fish/vendor_completions.d/lanyard.fish"))?;
    put(&completions.join("_lanyard"), &share.join(ZSH_OF_DEBIAN).join("_lanyard"))
}

/// What Tauri calls `files`: places in the package, and what lies there. Only Debian has a place of its own for zsh.
fn files(tree: &Path, zsh: &str) -> Result<Map<String, Value>> {
    let mut files = Map::new();
    for path in walk(tree)? {
        let place = path.strip_prefix(tree)?.to_string_lossy().replace(ZSH_OF_DEBIAN, zsh);
        files.insert(format!("/{place}"), json!(path));
    }
    Ok(files)
}

/// Packs a deb anew: both programs share much, which only a wide window of xz sees, and Tauri packs with gzip.
pub fn repack(deb: &Path, folder: &Path) -> Result<()> {
    let opened = folder.join("deb");
    if opened.exists() {
        fs::remove_dir_all(&opened)?;
    }
    run(command("dpkg-deb").arg("--raw-extract").arg(deb).arg(&opened))?;
    let control = opened.join("DEBIAN/control");
    fs::write(&control, said_once(&fs::read_to_string(&control)?))?;
    run(command("dpkg-deb").args(["--build", "--root-owner-group", "-Zxz", "-z9"]).arg(&opened).arg(deb))
}

/// Without the packages that Tauri names again, of any version, behind those that were found.
fn said_once(control: &str) -> String {
    let once = |line: &str| {
        let Some(packages) = line.strip_prefix("Depends: ") else { return line.to_owned() };
        let all: Vec<&str> = packages.split(", ").collect();
        let is_exact = |name: &str| all.iter().any(|other| other.starts_with(&format!("{name} (")));
        let kept: Vec<&str> = all.iter().copied().filter(|name| !is_exact(name)).collect();
        format!("Depends: {}", kept.join(", "))
    };
    control.lines().map(once).map(|line| line + "\n").collect()
}

/// The packages that have the libraries, in versions from which on they have all that is asked of them.
fn debian_packages(folder: &Path, programs: &[PathBuf]) -> Result<Vec<String>> {
    // The tool looks for a source package around it.
    let source = folder.join("source");
    fs::create_dir_all(source.join("debian"))?;
    fs::write(source.join("debian/control"), "Source: lanyard\n\nPackage: lanyard\nArchitecture: any\n")?;
    let mut tool = Command::new("dpkg-shlibdeps");
    tool.current_dir(&source)
        .arg("-O")
        .args(programs.iter().map(|program| format!("-e{}", program.display())));
    let said = output(&mut tool).context("dpkg-shlibdeps does not say which packages are needed")?;
    let list = said.trim().strip_prefix("shlibs:Depends=").context("dpkg-shlibdeps names no packages")?;
    Ok(list.split(", ").map(str::to_owned).collect())
}

/// The libraries and their versions in the words of rpm, which mean the same on every distribution.
fn libraries(programs: &[PathBuf]) -> Result<Vec<String>> {
    let mut needed = Vec::new();
    for program in programs {
        let said = output(Command::new("objdump").env("LC_ALL", "C").arg("--private-headers").arg(program));
        needed.extend(requirements(&said.context("objdump does not say which libraries are needed")?));
    }
    needed.sort();
    needed.dedup();
    // Tauri adds these two by itself.
    needed
        .retain(|name| !name.starts_with("libwebkit2gtk-4.1.so.0()") && !name.starts_with("libgtk-3.so.0()"));
    Ok(needed)
}

fn requirements(said: &str) -> Vec<String> {
    let width = if cfg!(target_pointer_width = "64") { "(64bit)" } else { "" };
    let (mut needed, mut from) = (Vec::new(), "");
    for line in said.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["NEEDED", library] => needed.push(format!("{library}(){width}")),
            ["required", "from", library] => from = library.trim_end_matches(':'),
            [_, _, _, version] if !from.is_empty() => needed.push(format!("{from}({version}){width}")),
            _ => from = "",
        }
    }
    needed
}

/// Tries the deb out in a system that has nothing else, and reads the rpm.
pub fn check(folder: &Path) -> Result<()> {
    let [deb, rpm] = ["deb", "rpm"].map(|ending| newest(folder, ending));
    let rpm = rpm?;
    run(command("rpm").args(["--query", "--list", "--requires", "--package"]).arg(&rpm))?;
    run(command("unshare")
        .args(["--mount", "--pid", "--fork", "--kill-child", "bash"])
        .arg(root().join(TRIAL))
        .arg(deb?)
        .arg(folder))
}

fn newest(folder: &Path, ending: &str) -> Result<PathBuf> {
    let has_ending = |path: &PathBuf| path.extension().is_some_and(|has| has == ending);
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let found = entries.map(|entry| entry.path()).filter(has_ending);
    let newest = found.max_by_key(|path| fs::metadata(path).and_then(|about| about.modified()).ok());
    match newest {
        Some(path) => Ok(path),
        None => bail!("there is no {ending} yet: `cargo xtask package` makes one"),
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    for path in walk(from)? {
        put(&path, &to.join(path.strip_prefix(from)?))?;
    }
    Ok(())
}

fn put(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to.parent().context("a file is in a folder")?)?;
    fs::copy(from, to).with_context(|| format!("{} is missing", from.display()))?;
    Ok(())
}

/// All files below a folder, in the order of their names.
fn walk(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("{} is missing", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    Ok(files)
}

/// Below /usr/share.
const ZSH_OF_DEBIAN: &str = "zsh/vendor-completions";
const ZSH_OF_OTHERS: &str = "zsh/site-functions";

/// What a person does with a package, as a script.
const TRIAL: &str = "packaging/linux/try";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_is_said_once() {
        let control = "Package: lanyard\nDepends: libc6 (>= 2.36), libgtk-3-0 (>= 3.16.2), libx, libgtk-3-0\nSection: net\n";
        let once = "Package: lanyard\nDepends: libc6 (>= 2.36), libgtk-3-0 (>= 3.16.2), libx\nSection: net\n";
        assert_eq!(said_once(control), once);
    }

    #[test]
    fn libraries_and_their_versions_are_read_as_rpm_calls_them() {
        let said = "Dynamic Section:\n  NEEDED               libm.so.6\n  INIT                 0x1000\n\nVersion References:\n  \
                    required from libm.so.6:\n    0x06969189 0x00 19 GLIBC_2.29\n    0x09691a75 0x00 03 GLIBC_2.2.5\n";
        let expected =
            ["libm.so.6()(64bit)", "libm.so.6(GLIBC_2.29)(64bit)", "libm.so.6(GLIBC_2.2.5)(64bit)"];
        assert_eq!(requirements(said), expected);
    }
}
