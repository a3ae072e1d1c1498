//! Compiles every `.proto` under `proto/` with a pure-Rust compiler: a fresh checkout needs no `protoc`.
//!
//! Writes the modules that `src/pb.rs` includes, and the descriptor set that server reflection answers from.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

#[path = "../policies/embed.rs"]
mod embed;

/// Messages that carry a phone number or a secret: `src/pb.rs` gives them a `Debug` that hides it.
const HIDDEN: [&str; 3] =
    ["consentry.v1.Subject", "consentry.v1.Subject.address", "consentry.v1.SecretValue"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    embed::write()?;
    let root = Path::new("proto");
    println!("cargo:rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    proto_files(root, &mut files)?;
    files.sort();

    // Comments become rustdoc; reflection does without them and stays small.
    let described = compile(root, &files, true)?.file_descriptor_set();
    let reflected = compile(root, &files, false)?.encode_file_descriptor_set();

    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptor.bin"), reflected)?;
    tonic_prost_build::configure()
        .btree_map(".")
        .bytes(".consentry.v1.ExportAuditResponse")
        .extern_path(".google.rpc.Status", "::tonic_types::Status")
        .skip_debug(HIDDEN)
        .include_file("packages.rs")
        .emit_rerun_if_changed(false)
        .compile_fds(described)?;
    Ok(())
}

fn compile(root: &Path, files: &[PathBuf], comments: bool) -> Result<protox::Compiler, protox::Error> {
    let mut compiler = protox::Compiler::new([root])?;
    compiler.include_imports(true).include_source_info(comments).open_files(files)?;
    Ok(compiler)
}

fn proto_files(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            proto_files(&path, found)?;
        } else if path.extension().is_some_and(|ext| ext == "proto") {
            found.push(path);
        }
    }
    Ok(())
}
