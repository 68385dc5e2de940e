//! Symbol lookup for Node (index.d.ts). All work runs on the thread pool; files are parsed in child processes.

mod builder;
mod columns;
mod debug_data;
mod debug_link;
mod demangle;
mod demangle_d;
mod elf_symbols;
mod go_module;
mod go_table;
mod go_values;
mod identity;
mod inflate;
mod isolate;
mod kept_tables;
mod lookup;
mod place;
mod ranges;
mod room;
mod scratch;
mod slim;
#[cfg(test)]
mod slim_hostile;
mod sources;
mod split_dwarf;
mod split_functions;
mod split_places;
mod strings;
mod symbol_lines;
mod table;
#[cfg(test)]
mod table_hostile;
mod unit_lines;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use napi::bindgen_prelude::{AsyncTask, BigUint64Array, Uint8Array, Uint32Array};
use napi::{Env, Error, Result, Task};
use napi_derive::napi;

use columns::Columns;
use identity::Identity;
use kept_tables::Keeping;
use table::Table;

#[napi(object)]
pub struct BinaryIdentity {
    pub gnu_build_id: String,
    pub htl_hash: String,
    pub content: String,
    pub has_debug_info: bool,
    pub has_symtab: bool,
    pub uid: u32,
    pub file: String,
}

#[napi(object)]
pub struct Resolved {
    pub strings: Vec<String>,
    pub offsets: Uint32Array,
    pub functions: Uint32Array,
    pub files: Uint32Array,
    pub lines: Uint32Array,
    pub quality: Uint8Array,
}

/// Private memory of a conversion, where nobody says.
const DEFAULT_MEMORY: u64 = 512 << 20;

#[napi(object)]
#[derive(Default)]
pub struct TableKeeping {
    pub directory: Option<String>,
    pub memory_bytes: Option<f64>,
}

#[napi]
pub struct SymbolTable {
    table: Option<Arc<Table>>,
    identity: Identity,
    source: &'static str,
    problem: String,
}

#[doc(hidden)]
pub use demangle::readable;
#[doc(hidden)]
pub use kept_tables::table_bytes;
#[doc(hidden)]
pub use slim::slim_bytes;

fn failed(error: anyhow::Error) -> Error {
    Error::from_reason(format!("{error:#}"))
}

#[napi(ts_return_type = "Promise<BinaryIdentity>")]
pub fn identify(path: String, with_content: Option<bool>) -> AsyncTask<Identify> {
    AsyncTask::new(Identify(path.into(), with_content.unwrap_or(false)))
}

/// Names as a reader knows them, in order.
#[napi]
pub fn demangle_names(names: Vec<String>) -> Vec<String> {
    names.iter().map(|name| demangle::demangle(name).into_owned()).collect()
}

#[napi(object)]
pub struct SlimBinary {
    pub gnu_build_id: String,
    pub content: String,
    pub bytes: f64,
    pub sha256: String,
}

#[napi(ts_return_type = "Promise<SlimBinary>")]
pub fn slim_binary(path: String, target: Option<String>) -> AsyncTask<SlimTask> {
    AsyncTask::new(SlimTask(path.into(), target.map(PathBuf::from)))
}

pub struct SlimTask(PathBuf, Option<PathBuf>);

impl Task for SlimTask {
    type Output = slim::Slim;
    type JsValue = SlimBinary;

    fn compute(&mut self) -> Result<Self::Output> {
        table::slim(&self.0, self.1.as_deref()).map_err(failed)
    }

    fn resolve(&mut self, _: Env, slim: Self::Output) -> Result<Self::JsValue> {
        let slim::Slim { gnu_build_id, content, bytes, sha256 } = slim;
        Ok(SlimBinary { gnu_build_id, content, bytes: bytes as f64, sha256 })
    }
}

#[napi]
impl SymbolTable {
    #[napi(ts_return_type = "Promise<SymbolTable>")]
    pub fn open(path: String, debug_paths: Option<Vec<String>>, keeping: Option<TableKeeping>) -> AsyncTask<Open> {
        let debug_paths = debug_paths.unwrap_or_default().into_iter().map(PathBuf::from).collect();
        let TableKeeping { directory, memory_bytes } = keeping.unwrap_or_default();
        let memory = memory_bytes.map_or(DEFAULT_MEMORY, |bytes| bytes.max(0.0) as u64);
        AsyncTask::new(Open(path.into(), debug_paths, Keeping { directory: directory.map(PathBuf::from), memory }))
    }

    #[napi(getter)]
    pub fn gnu_build_id(&self) -> String {
        self.identity.gnu_build_id.clone()
    }

    #[napi(getter)]
    pub fn htl_hash(&self) -> String {
        self.identity.htl_hash.clone()
    }

    #[napi(getter)]
    pub fn content(&self) -> String {
        self.identity.content.clone()
    }

    #[napi(getter)]
    pub fn problem(&self) -> String {
        self.problem.clone()
    }

    /// 0 when it is closed.
    #[napi(getter)]
    pub fn bytes(&self) -> f64 {
        self.table.as_ref().map_or(0.0, |table| table.bytes() as f64)
    }

    #[napi(getter)]
    pub fn source(&self) -> &'static str {
        self.source
    }

    #[napi(ts_return_type = "Promise<Resolved>")]
    pub fn resolve(&self, addresses: BigUint64Array) -> Result<AsyncTask<Resolve>> {
        let table = self.table.clone().ok_or_else(|| Error::from_reason("the symbol table is closed"))?;
        Ok(AsyncTask::new(Resolve(table, addresses.to_vec())))
    }

    #[napi]
    pub fn close(&mut self) {
        self.table = None;
    }
}

pub struct Identify(PathBuf, bool);

impl Task for Identify {
    type Output = table::Looked;
    type JsValue = BinaryIdentity;

    fn compute(&mut self) -> Result<Self::Output> {
        table::identify(&self.0, self.1).map_err(failed)
    }

    fn resolve(&mut self, _: Env, found: Self::Output) -> Result<Self::JsValue> {
        let Identity { gnu_build_id, htl_hash, content, has_debug_info, has_symtab } = found.identity;
        Ok(BinaryIdentity { gnu_build_id, htl_hash, content, has_debug_info, has_symtab, uid: found.uid, file: found.file })
    }
}

pub struct Open(PathBuf, Vec<PathBuf>, Keeping);

impl Task for Open {
    type Output = Table;
    type JsValue = SymbolTable;

    fn compute(&mut self) -> Result<Self::Output> {
        Table::open(&self.0, &self.1, &self.2).map_err(failed)
    }

    fn resolve(&mut self, _: Env, table: Self::Output) -> Result<Self::JsValue> {
        Ok(SymbolTable {
            identity: table.identity().clone(),
            source: table.source().name(),
            problem: table.problem().to_owned(),
            table: Some(Arc::new(table)),
        })
    }
}

pub struct Resolve(Arc<Table>, Vec<u64>);

impl Task for Resolve {
    type Output = Columns;
    type JsValue = Resolved;

    fn compute(&mut self) -> Result<Self::Output> {
        // A panic must not unwind into Node.
        let found = catch_unwind(AssertUnwindSafe(|| self.0.resolve(&self.1)));
        found.unwrap_or_else(|_| Err(anyhow::anyhow!("the lookup table is corrupt"))).map_err(failed)
    }

    fn resolve(&mut self, _: Env, c: Self::Output) -> Result<Self::JsValue> {
        Ok(Resolved {
            strings: c.strings,
            offsets: c.offsets.into(),
            functions: c.functions.into(),
            files: c.files.into(),
            lines: c.lines.into(),
            quality: c.quality.into(),
        })
    }
}
