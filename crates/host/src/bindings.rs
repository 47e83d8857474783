//! The host's side of Spin's interfaces, generated from `wit/`, and their wiring
//! to the stores that a component was granted.

#![allow(missing_docs, unreachable_pub, reason = "bindgen! writes these items")]

use wasmtime::component::{Accessor, FutureReader, HasData, Linker, Resource, StreamReader};

use crate::component::State;

mod generated {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "imports",
        imports: { default: async | trappable },
        with: {
            "spin:sqlite/sqlite.connection": crate::sqlite::Connection,
            "spin:key-value/key-value.store": crate::key_value::SharedStore,
        },
    });
}

pub(crate) use generated::spin::key_value::key_value;
pub(crate) use generated::spin::sqlite::sqlite;
pub(crate) use generated::spin::variables::variables;

type Store = crate::key_value::SharedStore;
type Connection = crate::sqlite::Connection;
type Streamed<T, E> = (StreamReader<T>, FutureReader<Result<(), E>>);

struct Spin;

impl HasData for Spin {
    type Data<'a> = &'a mut State;
}

/// Offers the three interfaces to components; what they find behind them is in `State`.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    key_value::add_to_linker::<_, Spin>(linker, |state| state)?;
    sqlite::add_to_linker::<_, Spin>(linker, |state| state)?;
    variables::add_to_linker::<_, Spin>(linker, |state| state)
}

impl variables::Host for State {}

impl<T: Send> variables::HostWithStore<T> for Spin {
    async fn get(
        accessor: &Accessor<T, Self>,
        name: String,
    ) -> wasmtime::Result<Result<String, variables::Error>> {
        let value = accessor.with(|mut access| access.get().grants.variables.get(&name).cloned());
        Ok(value.ok_or(variables::Error::Undefined(name)))
    }
}

impl key_value::Host for State {}

impl key_value::HostStore for State {
    async fn drop(&mut self, store: Resource<Store>) -> wasmtime::Result<()> {
        self.table.delete(store)?;
        Ok(())
    }
}

impl Spin {
    /// Runs `act` on a store away from the threads that serve requests.
    async fn on_store<T: Send, R: Send + 'static>(
        accessor: &Accessor<T, Self>,
        store: &Resource<Store>,
        act: impl FnOnce(&Store) -> Result<R, String> + Send + 'static,
    ) -> wasmtime::Result<Result<R, key_value::Error>> {
        let store =
            accessor.with(|mut access| access.get().table.get(store).map(std::sync::Arc::clone))?;
        Ok(tokio::task::spawn_blocking(move || act(&store)).await?.map_err(key_value::Error::Other))
    }

    fn streamed<T: Send, I, E>(
        accessor: &Accessor<T, Self>,
        items: Vec<I>,
        outcome: Result<(), E>,
    ) -> wasmtime::Result<Streamed<I, E>>
    where
        I: wasmtime::component::Lower + wasmtime::component::Lift + Unpin + Send + Sync + 'static,
        E: wasmtime::component::Lower + wasmtime::component::Lift + Send + Sync + 'static,
    {
        accessor.with(|mut access| {
            let stream = StreamReader::new(&mut access, items)?;
            let end = FutureReader::new(&mut access, async move { wasmtime::error::Ok(outcome) })?;
            Ok((stream, end))
        })
    }
}

impl<T: Send> key_value::HostStoreWithStore<T> for Spin {
    async fn open(
        accessor: &Accessor<T, Self>,
        label: String,
    ) -> wasmtime::Result<Result<Resource<Store>, key_value::Error>> {
        accessor.with(|mut access| {
            let state = access.get();
            match state.grants.key_value_stores.get(&label) {
                Some(store) => Ok(Ok(state.table.push(store.clone())?)),
                None => Ok(Err(key_value::Error::AccessDenied)),
            }
        })
    }

    async fn get(
        accessor: &Accessor<T, Self>,
        store: Resource<Store>,
        key: String,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, key_value::Error>> {
        Self::on_store(accessor, &store, move |store| store.get(&key)).await
    }

    async fn set(
        accessor: &Accessor<T, Self>,
        store: Resource<Store>,
        key: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), key_value::Error>> {
        Self::on_store(accessor, &store, move |store| store.set(&key, &value)).await
    }

    async fn delete(
        accessor: &Accessor<T, Self>,
        store: Resource<Store>,
        key: String,
    ) -> wasmtime::Result<Result<(), key_value::Error>> {
        Self::on_store(accessor, &store, move |store| store.delete(&key)).await
    }

    async fn exists(
        accessor: &Accessor<T, Self>,
        store: Resource<Store>,
        key: String,
    ) -> wasmtime::Result<Result<bool, key_value::Error>> {
        Self::on_store(accessor, &store, move |store| Ok(store.get(&key)?.is_some())).await
    }

    async fn get_keys(
        accessor: &Accessor<T, Self>,
        store: Resource<Store>,
    ) -> wasmtime::Result<Streamed<String, key_value::Error>> {
        match Self::on_store(accessor, &store, |store| store.keys()).await? {
            Ok(keys) => Self::streamed(accessor, keys, Ok(())),
            Err(error) => Self::streamed(accessor, Vec::new(), Err(error)),
        }
    }
}

impl sqlite::Host for State {}

impl State {
    fn open_database(
        &mut self,
        label: &str,
    ) -> wasmtime::Result<Result<Resource<Connection>, sqlite::Error>> {
        match self.grants.databases.get(label).map(|pool| pool.open()) {
            None => Ok(Err(sqlite::Error::AccessDenied)),
            Some(Err(error)) => Ok(Err(error)),
            Some(Ok(connection)) => Ok(Ok(self.table.push(connection)?)),
        }
    }
}

impl sqlite::HostConnection for State {
    async fn open(
        &mut self,
        label: String,
    ) -> wasmtime::Result<Result<Resource<Connection>, sqlite::Error>> {
        self.open_database(&label)
    }

    async fn execute(
        &mut self,
        connection: Resource<Connection>,
        sql: String,
        parameters: Vec<sqlite::Value>,
    ) -> wasmtime::Result<Result<sqlite::QueryResult, sqlite::Error>> {
        let connection = self.table.get(&connection)?.clone();
        Ok(connection.execute(sql, parameters).await)
    }

    async fn last_insert_rowid(
        &mut self,
        connection: Resource<Connection>,
    ) -> wasmtime::Result<i64> {
        Ok(self.table.get(&connection)?.last_insert_rowid())
    }

    async fn changes(&mut self, connection: Resource<Connection>) -> wasmtime::Result<u64> {
        Ok(self.table.get(&connection)?.changes())
    }

    async fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        Ok(())
    }
}

impl<T: Send> sqlite::HostConnectionWithStore<T> for Spin {
    async fn open_async(
        accessor: &Accessor<T, Self>,
        label: String,
    ) -> wasmtime::Result<Result<Resource<Connection>, sqlite::Error>> {
        accessor.with(|mut access| access.get().open_database(&label))
    }

    async fn execute_async(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        sql: String,
        parameters: Vec<sqlite::Value>,
    ) -> wasmtime::Result<
        Result<
            (Vec<String>, StreamReader<sqlite::RowResult>, FutureReader<Result<(), sqlite::Error>>),
            sqlite::Error,
        >,
    > {
        let connection =
            accessor.with(|mut access| access.get().table.get(&connection).cloned())?;
        let (columns, rows, outcome) = match connection.execute(sql, parameters).await {
            Ok(result) => (result.columns, result.rows, Ok(())),
            Err(error) => (Vec::new(), Vec::new(), Err(error)),
        };
        let (stream, end) = Self::streamed(accessor, rows, outcome)?;
        Ok(Ok((columns, stream, end)))
    }

    async fn last_insert_rowid_async(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
    ) -> wasmtime::Result<i64> {
        accessor.with(|mut access| Ok(access.get().table.get(&connection)?.last_insert_rowid()))
    }

    async fn changes_async(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
    ) -> wasmtime::Result<u64> {
        accessor.with(|mut access| Ok(access.get().table.get(&connection)?.changes()))
    }
}
