//! Lists the files of the built web UI, `web/dist`, so that they are compiled into the binary.
//!
//! Without a build of it there is nothing to list, and the plain page is served instead: a machine without npm builds
//! the same binary but for its pages.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    let dist = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../../web/dist");
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it"));
    println!("cargo::rerun-if-changed={}", dist.display());
    let mut files = Vec::new();
    if dist.join("index.html").is_file() {
        collect(&dist, &mut files);
        files.sort();
    }
    // Copied, so that a build of the web UI under way cannot take away what the compiler is about to read.
    let kept = out.join("web");
    let _ = fs::remove_dir_all(&kept);
    let mut table = String::from("&[\n");
    for file in files.iter().filter(|file| !is_packed(file)) {
        let path = file.strip_prefix(&dist).expect("it was found in there");
        let packed = |extension: &str| {
            let packed = PathBuf::from(format!("{}.{extension}", path.display()));
            if !dist.join(&packed).is_file() {
                return "None".to_owned();
            }
            format!("Some(include_bytes!({:?}))", keep(&dist, &packed, &kept))
        };
        let body = keep(&dist, path, &kept);
        let (br, gz) = (packed("br"), packed("gz"));
        let path = format!("/{}", path.display());
        writeln!(table, "    WebFile {{ path: {path:?}, body: include_bytes!({body:?}), br: {br}, gz: {gz} }},")
            .expect("a string takes whatever is written");
    }
    table.push(']');
    fs::write(out.join("web_files.rs"), table).expect("cargo's own directory can be written");
}

fn keep(dist: &Path, file: &Path, kept: &Path) -> PathBuf {
    let copy = kept.join(file);
    fs::create_dir_all(copy.parent().expect("it is in a directory")).expect("cargo's own directory can be written");
    fs::copy(dist.join(file), &copy).expect("web/dist can be read");
    copy
}

fn is_packed(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "br" || extension == "gz")
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("web/dist can be read") {
        let path = entry.expect("web/dist can be read").path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}
