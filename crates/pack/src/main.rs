//! `pack STATIC OUT MODULE...`: makes the site from the pages' sources. Parts that pages
//! share and legal texts go into the pages; the browser's modules are made with wasm-bindgen (as a library, so that
//! the version is the lock file's and nothing has to be installed); whatever pages load
//! moves under a name that changes when any of it changes, so that browsers may keep it
//! for ever; everything is there compressed as well.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};

/// `<!-- include:legal/notice/112 -->` in a page stands for `legal/notice/112.html`.
const INCLUDE_MARK: &str = "<!-- include:";
/// What is in this folder is no page by itself.
const PARTS: &str = "parts/";
/// The place in every page where a test installation says so.
const ENVIRONMENT_MARK: &str = "<!-- environment -->";
const TEST_BANNER: &str = r#"<p class="test-banner" role="note">測試環境：本網站使用測試憑證與虛構資料，非正式服務。</p>"#;
/// Where what pages load is put; the site says that it may be kept.
const ASSETS: &str = "assets";
/// Files that are shorter gain nothing.
const COMPRESSED_FROM: usize = 256;

/// Files by their path in the site.
type Files = BTreeMap<String, Vec<u8>>;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [sources, out, modules @ ..] = &arguments[..] else { bail!("pack STATIC OUT MODULE...") };
    let mut assets = Files::new();
    read(sources, sources, &mut assets)?;
    let pages: Files = assets.extract_if(.., |path, _| path.ends_with(".html")).collect();
    for module in modules {
        bind(module, &out.with_extension("wasm"), &mut assets)?;
    }

    let names = Names::new(&assets);
    let mut site = Files::new();
    for (path, bytes) in assets {
        let bytes = if path.ends_with(".js") || path.ends_with(".css") {
            names.put_into(&String::from_utf8(bytes)?).into_bytes()
        } else {
            bytes
        };
        site.insert(format!("{}/{path}", names.folder), bytes);
    }
    for (path, bytes) in pages.iter().filter(|(path, _)| !path.starts_with(PARTS)) {
        let page = with_parts(&pages, std::str::from_utf8(bytes)?)
            .with_context(|| format!("in {path}"))?;
        let page = names.put_into(&page);
        let variant = |banner: &str| page.replacen(ENVIRONMENT_MARK, banner, 1).into_bytes();
        let test = path.strip_suffix(".html").context("a page")?.to_owned() + ".test.html";
        site.insert(test, variant(TEST_BANNER));
        site.insert(path.clone(), variant(""));
    }
    if out.exists() {
        std::fs::remove_dir_all(out)?;
    }
    site.iter().try_for_each(|(path, bytes)| write(&out.join(path), bytes))
}

fn read(root: &Path, from: &Path, files: &mut Files) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        if path.is_dir() {
            read(root, &path, files)?;
        } else {
            let name = path.strip_prefix(root)?.to_str().context("a file's name")?;
            files.insert(name.replace('\\', "/"), std::fs::read(&path)?);
        }
    }
    Ok(())
}

/// Makes a module for the browser, named like its file.
fn bind(module: &Path, work: &Path, files: &mut Files) -> anyhow::Result<()> {
    let name = module.file_stem().and_then(|stem| stem.to_str()).context("a module's name")?;
    wasm_bindgen_cli_support::Bindgen::new()
        .input_path(module)
        .web(true)?
        .typescript(false)
        .remove_name_section(true)
        .remove_producers_section(true)
        .out_name(name)
        .generate(work)?;
    for file in [format!("{name}.js"), format!("{name}_bg.wasm")] {
        files.insert(format!("wasm/{file}"), std::fs::read(work.join(&file))?);
    }
    Ok(std::fs::remove_dir_all(work)?)
}

/// What assets are called in sources, and where they are in the site.
struct Names {
    /// The folder, named after a digest of all that is in it.
    folder: String,
    /// The first parts of their paths.
    first: Vec<String>,
}

impl Names {
    fn new(assets: &Files) -> Self {
        let mut digest = Sha256::new();
        for (path, bytes) in assets {
            for part in [path.as_bytes(), bytes] {
                digest.update((part.len() as u64).to_be_bytes());
                digest.update(part);
            }
        }
        let digest: String =
            digest.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let mut first: Vec<_> = assets
            .keys()
            .map(|path| match path.split_once('/') {
                Some((folder, _)) => format!("\"/{folder}/"),
                None => format!("\"/{path}\""),
            })
            .collect();
        first.dedup();
        Self { folder: format!("{ASSETS}/{digest}"), first }
    }

    /// Replaces every quoted path of an asset.
    fn put_into(&self, text: &str) -> String {
        self.first.iter().fold(text.to_owned(), |text, name| {
            text.replace(name.as_str(), &format!("\"/{}{}", self.folder, &name[1..]))
        })
    }
}

/// Writes a file, and beside it compressed where that is worth it.
fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    std::fs::create_dir_all(path.parent().context("a folder")?)?;
    std::fs::write(path, bytes)?;
    if bytes.len() < COMPRESSED_FROM {
        return Ok(());
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(bytes)?;
    let parameters = brotli::enc::BrotliEncoderParams { quality: 11, ..Default::default() };
    let mut small = Vec::new();
    brotli::BrotliCompress(&mut &bytes[..], &mut small, &parameters)?;
    for (ending, compressed) in [("gz", gzip.finish()?), ("br", small)] {
        let name = format!("{}.{ending}", path.to_str().context("a file's name")?);
        std::fs::write(name, compressed)?;
    }
    Ok(())
}

fn with_parts(pages: &Files, page: &str) -> anyhow::Result<String> {
    let mut packed = String::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once(INCLUDE_MARK) {
        let (name, tail) = after.split_once(" -->").context("an include without its end")?;
        let part = pages.get(&format!("{name}.html"));
        let part = std::str::from_utf8(part.with_context(|| format!("no part {name}"))?)?;
        packed += before;
        packed += &with_parts(pages, part)?;
        rest = tail;
    }
    Ok(packed + rest)
}
