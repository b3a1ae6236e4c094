//! Compiles the runtime, which toolchain/amalgamate.py writes as one file, and has bindgen read its
//! header. APUS_AMALGAMATION names a folder that has apus.c and apus.h already.
use std::{env, path::PathBuf, process::Command};

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap());
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap());
    println!("cargo:rerun-if-env-changed=APUS_AMALGAMATION");
    let made = match env::var_os("APUS_AMALGAMATION") {
        Some(folder) => PathBuf::from(folder),
        None => {
            let root = here.join("../../..");
            let folders =
                ["weights", "text", "hal", "cpu", "speculate", "runtime", "port", "include"];
            for folder in folders {
                println!("cargo:rerun-if-changed={}", root.join(folder).display());
            }
            let made = out.join("amalgamation");
            let status = Command::new("python3")
                .arg(root.join("toolchain/amalgamate.py"))
                .arg(&made)
                .status()
                .expect("python3 writes the library as one file");
            assert!(status.success(), "toolchain/amalgamate.py failed");
            made
        }
    };
    cc::Build::new().file(made.join("apus.c")).opt_level(2).warnings(false).compile("apus");
    bindgen::Builder::default()
        .header(made.join("apus.h").to_str().unwrap())
        .allowlist_item("(apus|APUS)_.*")
        .default_enum_style(bindgen::EnumVariation::Consts)
        .prepend_enum_name(false)
        .generate()
        .expect("bindgen reads apus.h")
        .write_to_file(out.join("bindings.rs"))
        .expect("OUT_DIR can be written");
}
