//! The application: components with their grants, and the routes to them.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri};
use routefinder::Router;
use tokio::sync::Semaphore;
use wasmtime::component::Linker;
use wasmtime_wasi_http::handler::{ExpirationError, ProxyHandler, ProxyPre, TrapOrPanicError};
use wasmtime_wasi_http::p3::bindings::ServicePre;
use wasmtime_wasi_http::{Error as HttpError, WasiBody};

use crate::clock::Clock;
use crate::component::{Factory, Grants, Limits, State};
use crate::engine::{self, PoolSize};
use crate::manifest::{Manifest, Route};
use crate::runtime_config::RuntimeConfig;
use crate::{key_value, sqlite, variables};

/// What is needed to load an application.
pub(crate) struct Options {
    pub(crate) manifest: PathBuf,
    pub(crate) runtime_config: Option<PathBuf>,
    pub(crate) state_dir: PathBuf,
    pub(crate) variables: HashMap<String, String>,
    pub(crate) limits: Limits,
    /// Requests under way at once in one component; more wait.
    pub(crate) in_flight: u32,
    pub(crate) clock: Clock,
}

/// A loaded application.
pub(crate) struct App {
    pub(crate) name: String,
    pub(crate) version: String,
    routes: Router<String>,
    components: HashMap<String, LoadedComponent>,
}

struct LoadedComponent {
    handler: ProxyHandler<Factory>,
    /// Keeps requests from outnumbering the pooled instances: wasmtime's handler
    /// has no backpressure of its own. First come, first served.
    turns: Semaphore,
    /// How long a request waits for its turn.
    deadline: Duration,
}

/// Why a component gave no answer.
pub(crate) enum Failure {
    /// It ran past its deadline.
    Deadline,
    /// Too many requests were before it.
    Busy,
    /// It trapped, or the host could not run it; already logged.
    Component,
}

impl App {
    /// Loads everything that the manifest names. Any missing part stops the start.
    pub(crate) fn load(options: &Options) -> anyhow::Result<Arc<Self>> {
        let manifest = Manifest::read(&options.manifest)?;
        let config = match &options.runtime_config {
            Some(path) => RuntimeConfig::read(path)?,
            None => RuntimeConfig::default(),
        };
        let values = variables::resolve(
            &manifest.variables,
            &options.variables,
            &config.variables_provider,
            |name| std::env::var(name).ok(),
        )?;
        let stores = Stores::open(&manifest, &config, &options.state_dir)?;
        let routes = routes(&manifest)?;

        let count = u32::try_from(manifest.component.len()).unwrap_or(u32::MAX);
        let engine = engine::new(PoolSize {
            instances: options.in_flight.saturating_add(1).saturating_mul(count),
            memory: options.limits.memory,
        })?;
        let linker = linker(&engine)?;
        let cache = options.state_dir.join("compiled");
        let mut factories = Vec::new();
        for (name, component) in &manifest.component {
            let grants = Grants {
                variables: variables::for_component(&manifest, name, &values)?,
                environment: component.environment.clone().into_iter().collect(),
                databases: stores.databases(name, &component.sqlite_databases)?,
                key_value_stores: stores.key_value(name, &component.key_value_stores)?,
                files: files(name, component)?,
                outbound: component
                    .allowed_outbound_hosts
                    .iter()
                    .map(|text| text.parse())
                    .collect::<anyhow::Result<_>>()
                    .with_context(|| format!("component {name:?}"))?,
            };
            let code = engine::load(&engine, &component.source, &cache)?;
            let pre = linker
                .instantiate_pre(&code)
                .map_err(anyhow::Error::from)
                .with_context(|| format!("component {name:?} imports what it is not offered"))?;
            let pre = ServicePre::new(pre)
                .map_err(anyhow::Error::from)
                .with_context(|| format!("component {name:?} exports no wasi:http handler"))?;
            factories.push((name.clone(), pre, Arc::new(grants)));
        }
        let Manifest { application, .. } = manifest;
        Ok(Arc::new_cyclic(|app: &Weak<Self>| {
            let components = factories
                .into_iter()
                .map(|(name, pre, grants)| {
                    let handler = ProxyHandler::new(Factory {
                        name: name.clone(),
                        engine: engine.clone(),
                        pre: ProxyPre::P3(pre),
                        grants,
                        limits: options.limits,
                        clock: options.clock,
                        app: app.clone(),
                    });
                    let turns = Semaphore::new(options.in_flight as usize);
                    (name, LoadedComponent { handler, turns, deadline: options.limits.deadline })
                })
                .collect();
            Self { name: application.name, version: application.version, routes, components }
        }))
    }

    /// Public routes where the application says whether it can serve.
    pub(crate) fn readiness_routes(&self) -> impl Iterator<Item = String> {
        let routes = self.routes.iter().map(|(route, _)| route.to_string());
        routes.filter(|route| route.ends_with("/readyz"))
    }

    /// Hands a request to the component behind its path. `None`: no route.
    ///
    /// The request's URI must be absolute. Headers that begin with `spin-` are
    /// removed and set anew, so none of them can come from the client.
    pub(crate) async fn handle(
        self: &Arc<Self>,
        client: std::net::SocketAddr,
        mut request: Request<WasiBody>,
    ) -> Option<Result<Response<WasiBody>, Failure>> {
        let path = request.uri().path().to_owned();
        let found = self.routes.best_match(&path)?;
        let uri = request.uri().clone();
        let captures: Vec<(String, String)> = found
            .captures()
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let headers = request.headers_mut();
        strip_spin_headers(headers);
        set_spin_headers(headers, &uri, client, &spin_route(&found.route().to_string()));
        for (name, value) in captures {
            if let Ok(name) = HeaderName::try_from(format!("spin-path-match-{name}")) {
                set(headers, name, &value);
            }
        }
        Some(self.call(found.handler(), request).await)
    }

    async fn call(
        &self,
        component: &str,
        request: Request<WasiBody>,
    ) -> Result<Response<WasiBody>, Failure> {
        let loaded = &self.components[component];
        let turn = tokio::time::timeout(loaded.deadline, loaded.turns.acquire()).await;
        // The semaphore is never closed.
        let _turn = turn.map_err(|_| Failure::Busy)?.map_err(|_| Failure::Component)?;
        Self::dispatch(loaded, component, request).await
    }

    async fn dispatch(
        loaded: &LoadedComponent,
        component: &str,
        request: Request<WasiBody>,
    ) -> Result<Response<WasiBody>, Failure> {
        let id = request.headers().get(crate::server::REQUEST_ID).cloned();
        let begun = Instant::now();
        loaded.handler.handle((), request).await.map_err(|error| {
            let id = id.as_ref().and_then(|id| id.to_str().ok()).unwrap_or("of a component");
            // A component that computes or waits inside the host when its time is over is ended
            // from outside, which looks like a trap.
            let ended = error.is::<TrapOrPanicError>() && begun.elapsed() >= loaded.deadline;
            if ended || error.is::<ExpirationError>() {
                crate::log(&format!("request {id}: component {component:?} ran past its deadline"));
                Failure::Deadline
            } else {
                crate::log(&format!(
                    "request {id}: component {component:?} gave no answer: {error:#}"
                ));
                Failure::Component
            }
        })
    }

    /// A request from one component to another, by a private route.
    ///
    /// It takes no turn of its own beyond the called component's: the caller holds one already.
    pub(crate) async fn call_privately(
        self: &Arc<Self>,
        component: &str,
        mut request: Request<WasiBody>,
    ) -> Result<Response<WasiBody>, HttpError> {
        if !self.components.contains_key(component) {
            return Err(HttpError::DestinationNotFound);
        }
        let uri = request.uri().clone();
        let headers = request.headers_mut();
        strip_spin_headers(headers);
        set_spin_headers(headers, &uri, ([0, 0, 0, 0], 0).into(), "/...");
        self.call(component, request).await.map_err(|failure| match failure {
            Failure::Deadline | Failure::Busy => HttpError::HttpResponseTimeout,
            Failure::Component => HttpError::InternalError(None),
        })
    }
}

fn strip_spin_headers(headers: &mut HeaderMap) {
    let forged: BTreeSet<String> = headers
        .keys()
        .filter(|name| name.as_str().starts_with("spin-"))
        .map(|name| name.as_str().to_owned())
        .collect();
    for name in forged {
        headers.remove(&name);
    }
}

fn set_spin_headers(headers: &mut HeaderMap, uri: &Uri, client: std::net::SocketAddr, route: &str) {
    for (name, value) in [
        ("spin-client-addr", client.to_string()),
        ("spin-full-url", uri.to_string()),
        ("spin-path-info", uri.path().to_owned()),
        ("spin-matched-route", route.to_owned()),
        ("spin-component-route", route.trim_end_matches("/...").to_owned()),
        ("spin-base-path", "/".to_owned()),
    ] {
        set(headers, HeaderName::from_static(name), &value);
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// Spin writes a trailing wildcard as `/...`; the router writes `/*`.
fn router_route(spin: &str) -> String {
    match spin.strip_suffix("/...") {
        Some(prefix) => format!("{prefix}/*"),
        None => spin.to_owned(),
    }
}

fn spin_route(router: &str) -> String {
    match router.strip_suffix("/*") {
        Some(prefix) => format!("{prefix}/..."),
        None => router.to_owned(),
    }
}

fn routes(manifest: &Manifest) -> anyhow::Result<Router<String>> {
    let mut router = Router::new();
    let mut seen = BTreeSet::new();
    for trigger in &manifest.trigger.http {
        let Route::Public(route) = &trigger.route else { continue };
        if !seen.insert(route) {
            bail!("two routes are {route:?}");
        }
        if !route.starts_with('/') {
            bail!("the route {route:?} must begin with '/'");
        }
        router
            .add(router_route(route), trigger.component.clone())
            .map_err(|error| anyhow::anyhow!("the route {route:?}: {error}"))?;
    }
    Ok(router)
}

fn linker(engine: &wasmtime::Engine) -> anyhow::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    crate::bindings::add_to_linker(&mut linker)?;
    Ok(linker)
}

fn files(
    name: &str,
    component: &crate::manifest::Component,
) -> anyhow::Result<Vec<(PathBuf, String)>> {
    component
        .files
        .iter()
        .map(|mount| {
            anyhow::ensure!(
                mount.source.is_dir(),
                "component {name:?}: files: {} is not a folder",
                mount.source.display()
            );
            Ok((mount.source.clone(), mount.destination.clone()))
        })
        .collect()
}

/// Every database and store that some component was granted.
struct Stores {
    databases: HashMap<String, Arc<sqlite::Database>>,
    key_value: HashMap<String, Arc<key_value::Store>>,
}

impl Stores {
    fn open(manifest: &Manifest, config: &RuntimeConfig, state: &Path) -> anyhow::Result<Self> {
        let granted = |labels: fn(&crate::manifest::Component) -> &Vec<String>| {
            manifest.component.values().flat_map(labels).cloned().collect::<BTreeSet<_>>()
        };
        let mut databases = HashMap::new();
        for label in granted(|component| &component.sqlite_databases) {
            let path = place(&config.sqlite_database, &label, state, "sqlite_db.db")
                .with_context(|| format!("no runtime configuration for the database {label:?}"))?;
            databases.insert(label, sqlite::Database::new(path)?);
        }
        let mut key_value = HashMap::new();
        for label in granted(|component| &component.key_value_stores) {
            let path = place(&config.key_value_store, &label, state, "sqlite_key_value.db")
                .with_context(|| format!("no runtime configuration for the store {label:?}"))?;
            key_value.insert(label.clone(), key_value::Store::open(&label, &path)?);
        }
        Ok(Self { databases, key_value })
    }

    fn databases(
        &self,
        component: &str,
        labels: &[String],
    ) -> anyhow::Result<HashMap<String, Arc<sqlite::Pool>>> {
        labels
            .iter()
            .map(|label| {
                let database = self
                    .databases
                    .get(label)
                    .with_context(|| format!("component {component:?}: no database {label:?}"))?;
                Ok((label.clone(), sqlite::Pool::new(database.clone())))
            })
            .collect()
    }

    fn key_value(
        &self,
        component: &str,
        labels: &[String],
    ) -> anyhow::Result<HashMap<String, Arc<key_value::Store>>> {
        labels
            .iter()
            .map(|label| {
                let store = self
                    .key_value
                    .get(label)
                    .with_context(|| format!("component {component:?}: no store {label:?}"))?;
                Ok((label.clone(), store.clone()))
            })
            .collect()
    }
}

/// Where a label's file lies: as configured; `default` has a place in the state folder.
fn place(
    configured: &std::collections::BTreeMap<String, crate::runtime_config::FileBacked>,
    label: &str,
    state: &Path,
    default_name: &str,
) -> Option<PathBuf> {
    match configured.get(label) {
        Some(backing) => Some(backing.path().to_owned()),
        None => (label == "default").then(|| state.join(default_name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_written_as_in_spin() {
        assert_eq!(router_route("/..."), "/*");
        assert_eq!(router_route("/a/:id/b"), "/a/:id/b");
        assert_eq!(spin_route("/a/*"), "/a/...");
    }

    #[test]
    fn headers_of_the_host_cannot_come_from_the_client() {
        let mut headers = HeaderMap::new();
        headers.append("spin-client-addr", HeaderValue::from_static("203.0.113.7:1"));
        headers.append("Spin-Client-Addr", HeaderValue::from_static("203.0.113.8:1"));
        headers.append("spin-anything", HeaderValue::from_static("x"));
        strip_spin_headers(&mut headers);
        let uri = Uri::from_static("http://127.0.0.1:3000/x");
        set_spin_headers(&mut headers, &uri, ([127, 0, 0, 2], 9).into(), "/x");
        let addresses: Vec<_> = headers.get_all("spin-client-addr").iter().collect();
        assert_eq!(addresses, ["127.0.0.2:9"]);
        assert!(!headers.contains_key("spin-anything"));
    }
}
