//! Keeps `ui/src/ipc/generated.ts` true to the API's types: one file, made in memory and compared with what is committed.

use std::any::TypeId;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use serde_json::json;
use ts_rs::{Config, TS, TypeVisitor};

use super::{ApiError, Command, Event, Reply, Transfer};

#[test]
fn typescript_types_are_fresh() {
    let fresh = generated();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui/src/ipc/generated.ts");
    if std::env::var_os("LANYARD_WRITE_TYPES").is_some() {
        std::fs::write(&path, &fresh).expect("ui/src/ipc exists and can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    assert!(
        committed == fresh,
        "ui/src/ipc/generated.ts is stale; rewrite it with\n  \
         LANYARD_WRITE_TYPES=1 cargo test -p lanyard-engine --lib typescript_types_are_fresh"
    );
}

#[test]
fn json_is_what_the_types_say() {
    let accept = Command::Accept { transfer: "t1".into(), into: None, only: None };
    let done = Reply::Done;
    let left = Event::RoomLeft { room: "r1".into() };
    assert_eq!(json!(Command::Snapshot {}), json!({"method": "snapshot", "params": {}}));
    assert_eq!(
        json!(accept),
        json!({"method": "accept", "params": {"transfer": "t1", "into": null, "only": null}})
    );
    assert_eq!(json!(done), json!({"reply": "done"}));
    assert_eq!(json!(left), json!({"event": "room-left", "room": "r1"}));

    let config = Config::default();
    for (declared, expected) in [
        (Command::decl(&config), r#""method": "snapshot", "params": Record<symbol, never> }"#),
        (Command::decl(&config), "into?: string"),
        (Reply::decl(&config), r#""reply": "done" }"#),
        (Event::decl(&config), r#""event": "room-left", room: string"#),
        (Transfer::decl(&config), "fromName: string"),
    ] {
        assert!(declared.contains(expected), "{expected:?} is not in {declared}");
    }
}

fn generated() -> String {
    let mut types = Types { config: Config::default(), seen: HashSet::new(), declarations: BTreeMap::new() };
    types.visit::<Command>();
    types.visit::<Reply>();
    types.visit::<Event>();
    types.visit::<ApiError>();
    let mut file =
        String::from("// Made from crates/engine/src/api by the test `typescript_types_are_fresh`\n");
    for line in types.declarations.values().flat_map(|declaration| declaration.lines()) {
        file.push_str(line.trim_end());
        file.push('\n');
    }
    file
}

/// Every named type that can be reached from those visited, by name.
struct Types {
    config: Config,
    seen: HashSet<TypeId>,
    declarations: BTreeMap<String, String>,
}

impl TypeVisitor for Types {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        if !self.seen.insert(TypeId::of::<T>()) {
            return;
        }
        T::visit_dependencies(self);
        if T::output_path().is_none() {
            return;
        }
        let docs = T::docs().unwrap_or_default();
        let declaration = format!("\n{docs}export {}", T::decl(&self.config));
        self.declarations.insert(T::ident(&self.config), declaration);
    }
}
