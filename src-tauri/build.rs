//! Embeds the window's pages and compiles what they are allowed to call.

fn main() {
    println!("cargo:rerun-if-changed=src-tauri/capabilities");
    println!("cargo:rerun-if-changed=src-tauri/permissions");
    let permissions =
        tauri_build::AppManifest::new().permissions_path_pattern("./src-tauri/permissions/**/*");
    tauri_build::try_build(
        tauri_build::Attributes::new()
            .app_manifest(permissions)
            .capabilities_path_pattern("./src-tauri/capabilities/**/*"),
    )
    .expect("the configuration and the capabilities are part of this repository");
    // The schemas serve editors only, and tauri-build can put them in the root alone: move them beside the
    // capabilities. Nothing is lost where that fails.
    let _ = std::fs::remove_dir_all("src-tauri/gen");
    let _ = std::fs::rename("gen", "src-tauri/gen");
}
