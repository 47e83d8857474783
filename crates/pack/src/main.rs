//! `pack STATIC CLIENT_WASM OUT`: copies the pages, puts the legal texts into them, and
//! makes the browser's module with wasm-bindgen (as a library, so that the version is the
//! lock file's and nothing has to be installed).

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// `<!-- legal:notice/112 -->` in a page stands for `legal/notice/112.html`.
const LEGAL_MARK: &str = "<!-- legal:";

fn main() -> anyhow::Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [pages, module, out] = &arguments[..] else { bail!("pack STATIC CLIENT_WASM OUT") };
    if out.exists() {
        std::fs::remove_dir_all(out)?;
    }
    copy(pages, pages, out)?;
    wasm_bindgen_cli_support::Bindgen::new()
        .input_path(module)
        .web(true)?
        .typescript(false)
        .remove_name_section(true)
        .remove_producers_section(true)
        .out_name("client")
        .generate(out.join("wasm"))?;
    Ok(())
}

fn copy(root: &Path, from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy(root, &source, &target)?;
        } else if source.extension().is_some_and(|extension| extension == "html") {
            let page = std::fs::read_to_string(&source)?;
            let page = with_legal_texts(root, &page)
                .with_context(|| format!("in {}", source.display()))?;
            std::fs::write(target, page)?;
        } else {
            std::fs::copy(&source, &target)?;
        }
    }
    Ok(())
}

fn with_legal_texts(root: &Path, page: &str) -> anyhow::Result<String> {
    let mut packed = String::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once(LEGAL_MARK) {
        let (name, tail) = after.split_once(" -->").context("a legal mark without its end")?;
        let path = root.join("legal").join(format!("{name}.html"));
        packed += before;
        packed += &std::fs::read_to_string(&path)
            .with_context(|| format!("no text {}", path.display()))?;
        rest = tail;
    }
    Ok(packed + rest)
}
