//! The customer's pages in a real browser (`tests/browser/`): Debian's Chromium, driven by
//! playwright-core and judged by axe-core. What people see is kept in `target/tmp/pictures`.

use crate::app::App;
use crate::repository::{made_once, root, skipped_without};
use std::path::{Path, PathBuf};
use std::process::Command;

/// They need nothing else, so that their versions say all.
const PACKAGES: [&str; 3] = ["playwright-core@1.65.1", "axe-core@4.14.1", "typescript@5.9.3"];

/// The folder with the packages, fetched once per machine; none where Chromium or Node is not there.
fn packages() -> Option<PathBuf> {
    let is_there = |program| Command::new(program).arg("--version").output().is_ok();
    if !["chromium", "node", "npm"].into_iter().all(is_there) {
        skipped_without("Debian's packages `chromium`, `nodejs` and `npm`");
        return None;
    }
    Some(made_once("browser", &PACKAGES.join(" "), |folder| {
        let mut install = Command::new("npm");
        install.args(["install", "--no-package-lock", "--no-audit", "--no-fund", "--prefix"]);
        let installed = install.arg(folder).args(PACKAGES).output().expect("npm runs");
        assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    }))
}

#[tokio::test]
async fn people_book_in_a_browser() {
    let Some(packages) = packages() else { return };
    let app = App::start(&[]).await;
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pictures");
    let mut walk = Command::new("node");
    walk.arg(root().join("tests/browser/pages.mjs"));
    walk.args([&app.api, &app.gateway]).arg(pictures).arg(packages);
    let walked = tokio::task::spawn_blocking(move || walk.output().expect("node runs")).await;
    let walked = walked.expect("no panic");
    let said =
        [walked.stdout, walked.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(walked.status.success(), "{}", said.concat());
}

/// What the browser runs is plain JavaScript; its comments say the types.
#[test]
fn the_script_is_typed() {
    let Some(packages) = packages() else { return };
    let mut check = Command::new("node");
    check.arg(packages.join("node_modules/typescript/bin/tsc"));
    check.args([
        "--moduleDetection",
        "force",
        "--noEmit",
        "--allowJs",
        "--checkJs",
        "--strict",
        "--target",
        "es2022",
    ]);
    check.args(["--lib", "es2022,dom,dom.iterable,dom.asynciterable"]);
    let checked = check.arg(root().join("web/assets/marquee.js")).output().expect("node runs");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}
