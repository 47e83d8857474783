//! The wasmtime engine, and compiled components kept on disk.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use std::hash::{Hash, Hasher};
use wasmtime::component::Component;
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// How often a running component is interrupted so that others get their turn and
/// deadlines are noticed.
const TICK: Duration = Duration::from_millis(25);

/// Sizes that the pool of instances is built for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolSize {
    /// Instances that may exist at once.
    pub(crate) instances: u32,
    /// Linear memory of one instance, in bytes.
    pub(crate) memory: usize,
}

/// An engine with pooled instances and interruption by epochs. Compiling and
/// loading must use the same settings, so this is the only place that makes one.
pub(crate) fn new(size: PoolSize) -> anyhow::Result<Engine> {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(size.instances)
        .total_core_instances(size.instances.saturating_mul(4))
        .total_memories(size.instances)
        .total_tables(size.instances.saturating_mul(2))
        .total_stacks(size.instances)
        .max_core_instance_size(1 << 20)
        .max_component_instance_size(1 << 20)
        .table_elements(20_000)
        .max_memory_size(size.memory)
        .linear_memory_keep_resident(2 << 20)
        .table_keep_resident(64 << 10);
    let mut config = Config::new();
    config
        .wasm_component_model_async(true)
        .epoch_interruption(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    let engine = Engine::new(&config)?;
    let weak = engine.weak();
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(TICK);
            match weak.upgrade() {
                Some(engine) => engine.increment_epoch(),
                None => break,
            }
        }
    });
    Ok(engine)
}

/// Loads a component, compiling it only when no compiled form of these very bytes,
/// for this engine, lies in `cache`.
pub(crate) fn load(engine: &Engine, source: &Path, cache: &Path) -> anyhow::Result<Component> {
    let bytes = std::fs::read(source)
        .with_context(|| format!("cannot read the component {}", source.display()))?;
    private_folder(cache)?;
    let digest = ring::digest::digest(&ring::digest::SHA256, &bytes);
    let mut settings = std::hash::DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut settings);
    let compiled = cache.join(format!("{}-{:016x}.cwasm", hex::encode(digest), settings.finish()));
    if !compiled.exists() {
        let code = engine
            .precompile_component(&bytes)
            .map_err(anyhow::Error::from)
            .with_context(|| format!("{} does not compile", source.display()))?;
        let unfinished = cache.join(format!("{}.{}", hex::encode(digest), std::process::id()));
        std::fs::write(&unfinished, code)?;
        std::fs::rename(&unfinished, &compiled)?;
    }
    #[expect(unsafe_code, reason = "machine code that this program compiled")]
    // SAFETY: the file lies in a folder that only this user can write (checked above)
    // and was written by `precompile_component`; wasmtime checks its version and settings.
    let component = unsafe { Component::deserialize_file(engine, &compiled) };
    component
        .map_err(anyhow::Error::from)
        .with_context(|| format!("cannot load {}", compiled.display()))
}

/// Creates the folder for this user alone; refuses one that others can write.
fn private_folder(folder: &Path) -> anyhow::Result<()> {
    if !folder.exists() {
        std::fs::create_dir_all(folder)?;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
    }
    let mode = std::fs::metadata(folder)?.permissions().mode();
    ensure!(
        mode & 0o022 == 0,
        "{} is writable by others; compiled code is not safe there",
        folder.display()
    );
    Ok(())
}
