//! Symbol lookup for Node (index.d.ts). All work runs on the thread pool; files are parsed in child processes.

mod isolate;
mod table;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use napi::bindgen_prelude::{AsyncTask, BigUint64Array, Uint8Array, Uint32Array};
use napi::{Env, Error, Result, Task};
use napi_derive::napi;

use table::Table;

#[napi(object)]
pub struct BinaryIdentity {
    pub gnu_build_id: String,
    pub has_debug_info: bool,
    pub has_symtab: bool,
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

#[napi]
pub struct SymbolTable {
    table: Option<Arc<Table>>,
    build_id: String,
}

fn failed(error: anyhow::Error) -> Error {
    Error::from_reason(format!("{error:#}"))
}

#[napi(ts_return_type = "Promise<BinaryIdentity>")]
pub fn identify(path: String) -> AsyncTask<Identify> {
    AsyncTask::new(Identify(path.into()))
}

#[napi]
impl SymbolTable {
    #[napi(ts_return_type = "Promise<SymbolTable>")]
    pub fn open(path: String, debug_paths: Option<Vec<String>>) -> AsyncTask<Open> {
        let debug_paths = debug_paths.unwrap_or_default().into_iter().map(PathBuf::from).collect();
        AsyncTask::new(Open(path.into(), debug_paths))
    }

    #[napi(getter)]
    pub fn gnu_build_id(&self) -> String {
        self.build_id.clone()
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

pub struct Identify(PathBuf);

impl Task for Identify {
    type Output = table::Identity;
    type JsValue = BinaryIdentity;

    fn compute(&mut self) -> Result<Self::Output> {
        table::identify(&self.0).map_err(failed)
    }

    fn resolve(&mut self, _: Env, found: Self::Output) -> Result<Self::JsValue> {
        Ok(BinaryIdentity { gnu_build_id: found.gnu_build_id, has_debug_info: found.has_debug_info, has_symtab: found.has_symtab })
    }
}

pub struct Open(PathBuf, Vec<PathBuf>);

impl Task for Open {
    type Output = Table;
    type JsValue = SymbolTable;

    fn compute(&mut self) -> Result<Self::Output> {
        Table::open(&self.0, &self.1).map_err(failed)
    }

    fn resolve(&mut self, _: Env, table: Self::Output) -> Result<Self::JsValue> {
        Ok(SymbolTable { build_id: table.gnu_build_id.clone(), table: Some(Arc::new(table)) })
    }
}

pub struct Resolve(Arc<Table>, Vec<u64>);

#[derive(Default)]
pub struct Columns {
    index: HashMap<String, u32>,
    strings: Vec<String>,
    offsets: Vec<u32>,
    functions: Vec<u32>,
    files: Vec<u32>,
    lines: Vec<u32>,
    quality: Vec<u8>,
}

impl Columns {
    fn string(&mut self, text: &str) -> u32 {
        if let Some(&row) = self.index.get(text) {
            return row;
        }
        let row = self.strings.len() as u32;
        self.strings.push(text.to_owned());
        self.index.insert(text.to_owned(), row);
        row
    }
}

impl Task for Resolve {
    type Output = Columns;
    type JsValue = Resolved;

    fn compute(&mut self) -> Result<Self::Output> {
        // A panic must not unwind into Node.
        catch_unwind(AssertUnwindSafe(|| self.columns())).unwrap_or_else(|_| Err(Error::from_reason("the lookup table is corrupt")))
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

impl Resolve {
    fn columns(&self) -> Result<Columns> {
        let mut columns = Columns { offsets: vec![0], ..Columns::default() };
        let done = self.0.resolve(&self.1, |quality, chain| {
            for line in chain {
                let (function, file) = (columns.string(&line.function), columns.string(&line.file));
                columns.functions.push(function);
                columns.files.push(file);
                columns.lines.push(line.line);
            }
            columns.offsets.push(columns.functions.len() as u32);
            columns.quality.push(quality);
        });
        done.map_err(failed)?;
        Ok(columns)
    }
}
