//! Build step: lists the policy packs as bytes in `$OUT_DIR/policies.rs`, for `src/policy/embedded.rs`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Writes the list. `policies/lists/` is other people's data and stays out.
pub fn write() -> std::io::Result<()> {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("policies");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it")).join("policies.rs");
    println!("cargo:rerun-if-changed=policies");
    let mut files = Vec::new();
    walk(&root, "", &mut files)?;
    files.sort();
    let mut list = String::from("const FILES: &[(&str, &[u8])] = &[\n");
    for (inside, path) in files {
        let _ = writeln!(list, "    ({inside:?}, include_bytes!({:?})),", path.display().to_string());
    }
    list.push_str("];\n");
    std::fs::write(out, list)
}

fn walk(folder: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|n| n.to_str()).map(str::to_owned) else { continue };
        let inside = format!("{prefix}{name}");
        if path.is_dir() {
            if inside != "lists" {
                walk(&path, &format!("{inside}/"), files)?;
            }
        } else if name.ends_with(".toml") && !name.starts_with('.') {
            files.push((inside, path));
        }
    }
    Ok(())
}
