//! The fence around `workflows/`: its very `clippy.toml`, run over planted code that a replay would
//! not repeat.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

const CLIPPY_TOML: &str = include_str!("../../workflows/clippy.toml");

/// Each entry of the fence, and code that it must stop.
const PLANTED: &[(&str, &str)] = &[
    (
        "std::time::SystemTime::now",
        "pub fn f() -> std::time::SystemTime { std::time::SystemTime::now() }",
    ),
    (
        "std::time::SystemTime::elapsed",
        "pub fn f() -> bool { std::time::UNIX_EPOCH.elapsed().is_ok() }",
    ),
    ("std::time::Instant::now", "pub fn f() -> std::time::Instant { std::time::Instant::now() }"),
    (
        "std::time::Instant::elapsed",
        "pub fn f(at: std::time::Instant) -> bool { at.elapsed().is_zero() }",
    ),
    ("std::env::var", "pub fn f() -> bool { std::env::var(\"A\").is_ok() }"),
    ("std::env::var_os", "pub fn f() -> bool { std::env::var_os(\"A\").is_some() }"),
    ("std::env::vars", "pub fn f() -> usize { std::env::vars().count() }"),
    ("std::env::vars_os", "pub fn f() -> usize { std::env::vars_os().count() }"),
    ("std::thread::sleep", "pub fn f() { std::thread::sleep(std::time::Duration::ZERO) }"),
    ("std::thread::spawn", "pub fn f() -> bool { std::thread::spawn(|| 1).join().is_ok() }"),
    (
        "std::collections::HashMap",
        "pub fn f(all: &std::collections::HashMap<u8, u8>) -> usize { all.len() }",
    ),
    (
        "std::collections::HashSet",
        "pub fn f(all: &std::collections::HashSet<u8>) -> usize { all.len() }",
    ),
    (
        "std::hash::RandomState",
        "pub fn f() -> std::hash::RandomState { std::hash::RandomState::new() }",
    ),
];

const HARMLESS: &str = "pub fn f(all: &std::collections::BTreeMap<u8, u8>) -> usize { all.len() }";

#[test]
fn what_a_replay_cannot_repeat_is_stopped() {
    let entries = CLIPPY_TOML.split("path = \"").skip(1);
    let entries: Vec<&str> = entries.filter_map(|rest| rest.split('"').next()).collect();
    let planted: BTreeMap<&str, &str> = PLANTED.iter().copied().collect();
    let mut unproven = entries.iter().filter(|entry| !planted.contains_key(**entry));
    assert_eq!(unproven.next(), None, "plant a use of it in this file");

    let (passes, told) = clippy("harmless", HARMLESS);
    assert!(passes && told.is_empty(), "{told}");
    let modules = (0..).zip(planted.values());
    let modules = modules.map(|(n, code)| format!("pub mod m{n} {{ {code} }}\n"));
    let (compiles, told) = clippy("planted", &modules.collect::<String>());
    assert!(compiles, "{told}");
    for entry in planted.keys() {
        assert!(told.contains(&format!("`{entry}`")), "{entry} is not stopped: {told}");
    }
}

/// Whether a crate with this code compiles, and what Clippy says against it under the fence's
/// settings.
fn clippy(name: &str, code: &str) -> (bool, String) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let write = |file: &Path, text: &str| {
        std::fs::write(folder.path().join(file), text).expect("a file");
    };
    std::fs::create_dir(folder.path().join("src")).expect("a folder");
    let package = format!("[package]\nname = \"{name}\"\nedition = \"2024\"\n[workspace]\n");
    write(Path::new("Cargo.toml"), &package);
    write(Path::new("clippy.toml"), CLIPPY_TOML);
    write(Path::new("src/lib.rs"), code);
    let mut command = Command::new(env!("CARGO"));
    command.args(["clippy", "--offline", "--quiet", "--color", "never", "--target-dir"]);
    command.arg(folder.path().join("target")).current_dir(folder.path());
    let output = command.output().expect("clippy runs");
    (output.status.success(), String::from_utf8(output.stderr).expect("a text"))
}
