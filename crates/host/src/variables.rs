//! Application variables: their values by Spin's precedence, and the templates
//! (`{{ name }}`) through which a component receives them.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, bail};

use crate::manifest::{Manifest, Variable};
use crate::runtime_config::VariablesProvider;

/// Values of the application's variables.
///
/// Order: command line, runtime configuration, environment
/// (`SPIN_VARIABLE_<NAME>`), the manifest's default. A required variable
/// without a value stops the start.
pub(crate) fn resolve(
    declared: &BTreeMap<String, Variable>,
    command_line: &HashMap<String, String>,
    providers: &[VariablesProvider],
    environment: impl Fn(&str) -> Option<String>,
) -> anyhow::Result<HashMap<String, String>> {
    if let Some(name) = command_line.keys().find(|name| !declared.contains_key(*name)) {
        bail!("--variable {name}: the manifest declares no such variable");
    }
    let configured = |name: &str| {
        providers.iter().find_map(|VariablesProvider::Static { values }| values.get(name).cloned())
    };
    declared
        .iter()
        .map(|(name, variable)| {
            let value = command_line
                .get(name)
                .cloned()
                .or_else(|| configured(name))
                .or_else(|| environment(&format!("SPIN_VARIABLE_{}", name.to_uppercase())))
                .or_else(|| variable.default.clone())
                .with_context(|| format!("the required variable {name:?} has no value"))?;
            Ok((name.clone(), value))
        })
        .collect()
}

/// What one component sees: its own names, templates filled in.
pub(crate) fn for_component(
    manifest: &Manifest,
    component: &str,
    values: &HashMap<String, String>,
) -> anyhow::Result<HashMap<String, String>> {
    manifest.component[component]
        .variables
        .iter()
        .map(|(name, template)| {
            let value = fill(template, values)
                .with_context(|| format!("variable {name:?} of component {component:?}"))?;
            Ok((name.clone(), value))
        })
        .collect()
}

fn fill(template: &str, values: &HashMap<String, String>) -> anyhow::Result<String> {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, tail) = after.split_once("}}").context("'{{' without '}}'")?;
        let name = name.trim();
        filled += before;
        filled += values.get(name).with_context(|| format!("{name:?} is not declared"))?;
        rest = tail;
    }
    Ok(filled + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared() -> BTreeMap<String, Variable> {
        toml::from_str("a = { required = true }\nb = { default = \"from-manifest\" }").unwrap()
    }

    fn provider(text: &str) -> VariablesProvider {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn the_nearest_value_wins() {
        let command_line = HashMap::from([("a".to_owned(), "line".to_owned())]);
        let providers = [provider("type = \"static\"\nvalues = { a = \"file\", b = \"file\" }")];
        let values = resolve(&declared(), &command_line, &providers, |_| None).unwrap();
        assert_eq!(values["a"], "line");
        assert_eq!(values["b"], "file");
        let environment = |name: &str| (name == "SPIN_VARIABLE_A").then(|| "env".to_owned());
        let values = resolve(&declared(), &HashMap::new(), &[], environment).unwrap();
        assert_eq!(values["a"], "env");
        assert_eq!(values["b"], "from-manifest");
    }

    #[test]
    fn a_required_variable_without_a_value_stops_the_start() {
        let error = resolve(&declared(), &HashMap::new(), &[], |_| None).unwrap_err();
        assert!(error.to_string().contains("\"a\""));
    }

    #[test]
    fn templates_are_filled() {
        let values = HashMap::from([("x".to_owned(), "1".to_owned())]);
        assert_eq!(fill("a{{ x }}b{{x}}", &values).unwrap(), "a1b1");
        assert!(fill("{{ y }}", &values).is_err());
        assert!(fill("{{ x", &values).is_err());
    }
}
