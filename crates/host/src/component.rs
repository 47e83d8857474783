//! One component: its grants, its instances and their limits.

use std::collections::HashMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::{Request, Response};
use wasmtime::component::{GuestTaskId, ResourceTable};
use wasmtime::{Engine, Store, StoreContextMut, StoreLimits, StoreLimitsBuilder};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::handler::{
    HandlerState, Instance, ProxyPre, ShouldAccept, WorkerExpiration, WorkerState, WorkerStatus,
};
use wasmtime_wasi_http::{
    Error as HttpError, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks,
    WasiHttpView, default_send_request,
};

use crate::app::App;
use crate::clock::Clock;
use crate::outbound::{AllowedHost, INTERNAL_SUFFIX};

/// What the manifest lets one component reach, and nothing else.
pub(crate) struct Grants {
    pub(crate) variables: HashMap<String, String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) databases: HashMap<String, Arc<crate::sqlite::Pool>>,
    pub(crate) key_value_stores: HashMap<String, Arc<crate::key_value::Store>>,
    /// Host folder and the path under which the component sees it, read-only.
    pub(crate) files: Vec<(PathBuf, String)>,
    pub(crate) outbound: Vec<AllowedHost>,
}

/// Limits of every instance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Requests that one instance serves before it is thrown away.
    pub(crate) reuse: usize,
    /// Requests that one instance serves at the same time.
    pub(crate) concurrency: usize,
    /// Longest time from request to answer.
    pub(crate) deadline: Duration,
    /// Linear memory, in bytes.
    pub(crate) memory: usize,
    /// How long an idle instance is kept.
    pub(crate) idle: Duration,
}

/// The store data of an instance.
pub(crate) struct State {
    pub(crate) table: ResourceTable,
    pub(crate) grants: Arc<Grants>,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    limits: StoreLimits,
    hooks: Outbound,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.hooks }
    }
}

/// Outgoing requests: to other components by private routes, to the outside where granted.
struct Outbound {
    grants: Arc<Grants>,
    app: Weak<App>,
}

type IoDone = Box<dyn Future<Output = Result<(), HttpError>> + Send>;
type Sent = Result<(Response<WasiBody>, IoDone), HttpError>;

impl WasiHttpHooks for Outbound {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _done: IoDone,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        if !self.grants.outbound.iter().any(|allowed| allowed.allows(request.uri())) {
            return Box::new(std::future::ready(Err(HttpError::HttpRequestDenied)));
        }
        let internal = request.uri().host().and_then(|host| host.strip_suffix(INTERNAL_SUFFIX));
        if let Some(component) = internal.map(str::to_owned) {
            let app = self.app.upgrade();
            return Box::new(async move {
                let app = app.ok_or(HttpError::ConnectionTerminated)?;
                let response = app.call_privately(&component, request).await?;
                Ok((response, Box::new(std::future::ready(Ok(()))) as IoDone))
            });
        }
        Box::new(async move {
            let options = options.unwrap_or(OUTBOUND);
            let (response, io) = default_send_request(request, Some(options)).await?;
            let response = response.map(http_body_util::BodyExt::boxed_unsync);
            Ok((response, Box::new(io) as IoDone))
        })
    }
}

/// How long a component waits for others, unless it says so itself.
const OUTBOUND: RequestOptions = RequestOptions {
    connect_timeout: Some(Duration::from_secs(3)),
    first_byte_timeout: Some(Duration::from_secs(5)),
    between_bytes_timeout: Some(Duration::from_secs(5)),
};

/// Makes instances of one component.
pub(crate) struct Factory {
    pub(crate) name: String,
    pub(crate) engine: Engine,
    pub(crate) pre: ProxyPre<State>,
    pub(crate) grants: Arc<Grants>,
    pub(crate) limits: Limits,
    pub(crate) clock: Clock,
    pub(crate) app: Weak<App>,
}

impl Factory {
    fn state(&self) -> wasmtime::Result<State> {
        let mut wasi = WasiCtx::builder();
        wasi.inherit_stdout().inherit_stderr().wall_clock(self.clock);
        for (name, value) in &self.grants.environment {
            wasi.env(name, value);
        }
        for (folder, destination) in &self.grants.files {
            wasi.preopened_dir(folder, destination, FsPerms::ReadOnly)?;
        }
        Ok(State {
            table: ResourceTable::new(),
            grants: self.grants.clone(),
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            limits: StoreLimitsBuilder::new().memory_size(self.limits.memory).build(),
            hooks: Outbound { grants: self.grants.clone(), app: self.app.clone() },
        })
    }
}

impl HandlerState for Factory {
    type StoreData = State;
    type WorkerExpiration = Expiration;
    type WorkerState = Worker;

    async fn instantiate(&self) -> wasmtime::Result<Instance<State, Expiration, Worker>> {
        let mut store = Store::new(&self.engine, self.state()?);
        store.limiter(|state| &mut state.limits);
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        let proxy = self.pre.instantiate_async(&mut store).await?;
        Ok(Instance {
            store,
            proxy,
            view: |state| state.http(),
            expiration: Expiration {
                idle: self.limits.idle,
                deadline: self.limits.deadline,
                sleep: Box::pin(tokio::time::sleep(self.limits.deadline)),
            },
            state: Worker { name: self.name.clone(), limits: self.limits },
        })
    }
}

/// Ends an instance that idles or that runs past the deadline of its requests.
pub(crate) struct Expiration {
    idle: Duration,
    deadline: Duration,
    sleep: Pin<Box<tokio::time::Sleep>>,
}

impl WorkerExpiration for Expiration {
    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        status: WorkerStatus,
        since: Instant,
    ) -> Poll<()> {
        let allowed = match status {
            WorkerStatus::Idle => self.idle,
            WorkerStatus::Requests | WorkerStatus::PostReturn => self.deadline,
        };
        let end = tokio::time::Instant::from_std(since + allowed);
        if self.sleep.deadline() != end {
            self.sleep.as_mut().reset(end);
        }
        self.sleep.as_mut().poll(context)
    }
}

/// Decides how many requests an instance takes.
pub(crate) struct Worker {
    name: String,
    limits: Limits,
}

impl WorkerState for Worker {
    type StoreData = State;
    type RequestData = ();

    fn should_accept_request(&self, concurrent: usize, total: usize) -> ShouldAccept {
        if total >= self.limits.reuse {
            ShouldAccept::Never
        } else if concurrent >= self.limits.concurrency {
            ShouldAccept::No
        } else {
            ShouldAccept::Yes
        }
    }

    fn on_request_start(
        &self,
        _store: StoreContextMut<'_, State>,
        (): (),
        _task: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + Sync>> {
        Box::pin(tokio::time::sleep(self.limits.deadline))
    }

    fn drop(&self, store: Store<State>, result: Result<(), wasmtime::Error>) {
        if let Err(error) = result {
            crate::log(&format!("component {:?} failed: {error:#}", self.name));
        }
        drop(store);
    }
}
