//! PKCS#11 modules: where vendors put them, and which may be loaded.

use std::path::{Path, PathBuf};

/// The vendor's module first, then OpenSC's, as on each system they are installed.
const KNOWN: &[&str] = &[
    #[cfg(target_os = "linux")]
    "/usr/local/HiPKILocalSignServerApp/libHicos_p11v1.so",
    #[cfg(target_os = "linux")]
    "/usr/lib/libHicos_p11v1.so",
    #[cfg(target_os = "linux")]
    "/usr/local/lib/libHicos_p11v1.so",
    #[cfg(target_os = "linux")]
    "/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so",
    #[cfg(target_os = "linux")]
    "/usr/lib64/opensc-pkcs11.so",
    #[cfg(target_os = "macos")]
    "/usr/local/lib/libHicos_p11v1.dylib",
    #[cfg(target_os = "macos")]
    "/Library/FBTokenLib/libHicos_p11v1.dylib",
    #[cfg(target_os = "macos")]
    "/Library/OpenSC/lib/opensc-pkcs11.so",
    #[cfg(windows)]
    r"C:\Windows\System32\HiCOSPKCS11.dll",
    #[cfg(windows)]
    r"C:\Program Files\OpenSC Project\OpenSC\pkcs11\opensc-pkcs11.dll",
];

/// Modules of this computer that may be loaded, in the order in which they are asked.
pub fn installed() -> Vec<PathBuf> {
    let candidates = KNOWN.iter().map(PathBuf::from).chain(in_home());
    candidates.filter(|path| check(path).is_ok()).collect()
}

/// Where the vendor's installer for macOS puts it.
fn in_home() -> Option<PathBuf> {
    if !cfg!(target_os = "macos") {
        return None;
    }
    let home = std::env::var_os("HOME")?;
    Some(Path::new(&home).join("Library/HiPKILocalSignServer/libHicos_p11v1.dylib"))
}

/// Whether a module may be loaded: an absolute path to a file that nobody but its owner
/// (the system or this person) can have written, in a folder of which the same is true.
///
/// # Errors
/// A sentence for the person who configured it.
pub fn check(path: &Path) -> Result<(), String> {
    let refuse = |why: &str| Err(format!("{}: {why}", path.display()));
    if !path.is_absolute() {
        return refuse("not an absolute path");
    }
    let Ok(real) = path.canonicalize() else { return refuse("there is no such file") };
    if !real.is_file() {
        return refuse("not a file");
    }
    let folder = real.parent().unwrap_or(&real);
    if !(is_kept(&real) && is_kept(folder)) {
        return refuse("others may write to it");
    }
    Ok(())
}

#[cfg(unix)]
fn is_kept(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let own = rustix::process::getuid().as_raw();
    path.metadata()
        .is_ok_and(|found| (found.uid() == 0 || found.uid() == own) && found.mode() & 0o022 == 0)
}

/// Windows' own folders are kept by its access lists; others are refused.
#[cfg(not(unix))]
fn is_kept(path: &Path) -> bool {
    let text = path.to_string_lossy().to_lowercase();
    ["c:\\windows\\", "c:\\program files", "\\\\?\\c:\\windows\\", "\\\\?\\c:\\program files"]
        .iter()
        .any(|folder| text.starts_with(folder))
}
