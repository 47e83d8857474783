//! `runtime-config.toml` in Spin's syntax: where stores and databases live, and
//! the values of variables that an installation sets.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;

/// The parts of Spin's runtime configuration that this host supports. Unknown
/// keys are refused, as Spin does.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuntimeConfig {
    #[serde(default)]
    pub(crate) sqlite_database: BTreeMap<String, FileBacked>,
    #[serde(default)]
    pub(crate) key_value_store: BTreeMap<String, FileBacked>,
    #[serde(default)]
    pub(crate) variables_provider: Vec<VariablesProvider>,
}

/// `type = "spin"`: a SQLite file.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum FileBacked {
    Spin { path: PathBuf },
}

impl FileBacked {
    pub(crate) fn path(&self) -> &Path {
        let Self::Spin { path } = self;
        path
    }
}

/// `[[variables_provider]]`; only `type = "static"` is supported.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum VariablesProvider {
    Static { values: BTreeMap<String, String> },
}

impl RuntimeConfig {
    /// Reads the file; relative paths in it are relative to its folder.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the runtime configuration {}", path.display()))?;
        let mut config: Self =
            toml::from_str(&text).with_context(|| format!("{} is not valid", path.display()))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        for backing in
            config.sqlite_database.values_mut().chain(config.key_value_store.values_mut())
        {
            let FileBacked::Spin { path } = backing;
            *path = folder.join(&*path);
        }
        Ok(config)
    }
}
