//! The part of Spin's manifest (version 2) that this host understands.
//!
//! Unknown keys are refused rather than ignored: a grant that the host does not
//! know must not be silently dropped, nor a restriction silently lifted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use serde::Deserialize;

/// A parsed `spin.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    spin_manifest_version: u32,
    /// Name and version of the application.
    pub(crate) application: Application,
    /// Variables that an installation may set.
    #[serde(default)]
    pub(crate) variables: BTreeMap<String, Variable>,
    /// Routes, in the order of the file.
    pub(crate) trigger: Triggers,
    /// Components by name.
    pub(crate) component: BTreeMap<String, Component>,
}

/// `[application]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Application {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) version: String,
    #[serde(default)]
    #[expect(dead_code, reason = "part of the manifest, of no use to the host")]
    authors: Vec<String>,
    #[serde(default)]
    #[expect(dead_code, reason = "part of the manifest, of no use to the host")]
    description: String,
}

/// `[variables]`: either required or with a default.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Variable {
    #[serde(default)]
    pub(crate) required: bool,
    pub(crate) default: Option<String>,
    #[serde(default)]
    #[expect(dead_code, reason = "this host never prints a variable's value, secret or not")]
    secret: bool,
    #[serde(default)]
    #[expect(dead_code, reason = "for people")]
    description: String,
}

/// `[[trigger.http]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Triggers {
    pub(crate) http: Vec<HttpTrigger>,
}

/// One route and the component behind it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HttpTrigger {
    pub(crate) route: Route,
    pub(crate) component: String,
    #[serde(default)]
    #[expect(dead_code, reason = "an optional name, for people")]
    id: Option<String>,
}

/// A public route, or the mark that a component is reached by other components alone.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Route {
    Public(String),
    Private { private: bool },
}

/// `[component.<name>]`: a WebAssembly file and what it is granted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Component {
    pub(crate) source: PathBuf,
    #[serde(default)]
    #[expect(dead_code, reason = "for people")]
    description: String,
    #[serde(default)]
    pub(crate) files: Vec<FilesMount>,
    #[serde(default)]
    pub(crate) allowed_outbound_hosts: Vec<String>,
    #[serde(default)]
    pub(crate) key_value_stores: Vec<String>,
    #[serde(default)]
    pub(crate) sqlite_databases: Vec<String>,
    #[serde(default)]
    pub(crate) variables: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) environment: BTreeMap<String, String>,
    #[serde(default)]
    #[expect(dead_code, reason = "read by `spin build`")]
    build: Option<toml::Table>,
}

/// A read-only folder: Spin's `{ source, destination }` form. Globs are not supported.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FilesMount {
    pub(crate) source: PathBuf,
    pub(crate) destination: String,
}

impl Manifest {
    /// Reads a manifest; relative paths in it are made relative to its folder.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the manifest {}", path.display()))?;
        let mut manifest: Self =
            toml::from_str(&text).with_context(|| format!("{} is not valid", path.display()))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        for component in manifest.component.values_mut() {
            component.source = folder.join(&component.source);
            for mount in &mut component.files {
                mount.source = folder.join(&mount.source);
            }
        }
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> anyhow::Result<()> {
        ensure!(self.spin_manifest_version == 2, "spin_manifest_version must be 2");
        for trigger in &self.trigger.http {
            ensure!(
                self.component.contains_key(&trigger.component),
                "a route names the component {:?}, which does not exist",
                trigger.component
            );
            if let Route::Private { private: false } = trigger.route {
                bail!("route = {{ private = false }} has no meaning; give a path");
            }
        }
        for (name, variable) in &self.variables {
            ensure!(
                variable.required != variable.default.is_some(),
                "the variable {name:?} must be either required or have a default"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Manifest, toml::de::Error> {
        toml::from_str(text)
    }

    const SMALL: &str = r#"
        spin_manifest_version = 2
        [application]
        name = "a"
        [[trigger.http]]
        route = { private = true }
        component = "c"
        [component.c]
        source = "c.wasm"
    "#;

    #[test]
    fn a_small_manifest_is_read() {
        let manifest = parse(SMALL).unwrap();
        manifest.check().unwrap();
        assert!(matches!(manifest.trigger.http[0].route, Route::Private { private: true }));
        assert!(manifest.component["c"].sqlite_databases.is_empty());
    }

    #[test]
    fn an_unknown_grant_is_refused() {
        let text = format!("{SMALL}\nai_models = [\"x\"]");
        let message = parse(&text).unwrap_err().to_string();
        assert!(message.contains("ai_models"), "{message}");
    }

    #[test]
    fn a_route_to_nowhere_is_refused() {
        let text = SMALL.replace("component = \"c\"", "component = \"d\"");
        assert!(parse(&text).unwrap().check().is_err());
    }
}
