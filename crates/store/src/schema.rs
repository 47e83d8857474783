//! The steps of each database's schema, embedded so that every program carries them.

/// A database of the application, by its label in `spin.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// Cases, accounts, officers, challenges (`default`).
    Cases,
    /// Identity cards (`register`).
    Register,
    /// Wrong answers (`attempts`).
    Attempts,
    /// The record of verification calls (`calls`).
    Calls,
    /// Revocation lists (`revocation`).
    Revocation,
    /// Citizens' certificates and national IDs (`citizens`).
    Citizens,
    /// The record of confirmation requests (`confirmations`).
    Confirmations,
}

/// One numbered step; never edited after a release.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// File name.
    pub name: &'static str,
    /// Its SQL.
    pub sql: &'static str,
}

impl Label {
    /// Every database.
    pub const ALL: [Self; 7] = [
        Self::Cases,
        Self::Register,
        Self::Attempts,
        Self::Calls,
        Self::Revocation,
        Self::Citizens,
        Self::Confirmations,
    ];

    /// The label in `spin.toml` and `runtime-config.toml`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cases => "default",
            Self::Register => "register",
            Self::Attempts => "attempts",
            Self::Calls => "calls",
            Self::Revocation => "revocation",
            Self::Citizens => "citizens",
            Self::Confirmations => "confirmations",
        }
    }

    /// How sure a commit is, as `PRAGMA synchronous` sets it. What was promised survives power
    /// loss; the record of calls survives a kill and may lose its last moments at power loss.
    pub fn synchronous(self) -> &'static str {
        match self {
            Self::Calls => "PRAGMA synchronous = NORMAL",
            _ => "PRAGMA synchronous = FULL",
        }
    }

    /// The steps that lead to the current schema.
    pub fn steps(self) -> &'static [Step] {
        match self {
            Self::Cases => &[
                Step {
                    name: "0001-first",
                    sql: include_str!("../../../schema/cases/0001-first.sql"),
                },
                Step {
                    name: "0002-cards",
                    sql: include_str!("../../../schema/cases/0002-cards.sql"),
                },
                Step {
                    name: "0003-confirmation",
                    sql: include_str!("../../../schema/cases/0003-confirmation.sql"),
                },
                Step {
                    name: "0004-delegation",
                    sql: include_str!("../../../schema/cases/0004-delegation.sql"),
                },
                Step {
                    name: "0005-spent-reviews",
                    sql: include_str!("../../../schema/cases/0005-spent-reviews.sql"),
                },
            ],
            Self::Register => &[Step {
                name: "0001-first",
                sql: include_str!("../../../schema/register/0001-first.sql"),
            }],
            Self::Attempts => &[Step {
                name: "0001-first",
                sql: include_str!("../../../schema/attempts/0001-first.sql"),
            }],
            Self::Calls => &[
                Step {
                    name: "0001-first",
                    sql: include_str!("../../../schema/calls/0001-first.sql"),
                },
                Step {
                    name: "0002-reserved",
                    sql: include_str!("../../../schema/calls/0002-reserved.sql"),
                },
                Step {
                    name: "0003-judged",
                    sql: include_str!("../../../schema/calls/0003-judged.sql"),
                },
            ],
            Self::Revocation => &[
                Step {
                    name: "0001-first",
                    sql: include_str!("../../../schema/revocation/0001-first.sql"),
                },
                Step {
                    name: "0002-cards",
                    sql: include_str!("../../../schema/revocation/0002-cards.sql"),
                },
            ],
            Self::Citizens => &[Step {
                name: "0001-first",
                sql: include_str!("../../../schema/citizens/0001-first.sql"),
            }],
            Self::Confirmations => &[Step {
                name: "0001-first",
                sql: include_str!("../../../schema/confirmations/0001-first.sql"),
            }],
        }
    }

    /// The whole schema, for reading.
    pub fn current(self) -> &'static str {
        match self {
            Self::Cases => include_str!("../../../schema/cases/current.sql"),
            Self::Register => include_str!("../../../schema/register/current.sql"),
            Self::Attempts => include_str!("../../../schema/attempts/current.sql"),
            Self::Calls => include_str!("../../../schema/calls/current.sql"),
            Self::Revocation => include_str!("../../../schema/revocation/current.sql"),
            Self::Citizens => include_str!("../../../schema/citizens/current.sql"),
            Self::Confirmations => include_str!("../../../schema/confirmations/current.sql"),
        }
    }
}

/// The last step that a database has taken.
const LAST_STEP: &str = "SELECT name FROM schema_steps ORDER BY name DESC LIMIT 1";

/// Whether a database has taken every step; otherwise, what to do.
///
/// # Errors
/// A sentence for the operator.
pub fn check(database: &impl crate::Database, label: Label) -> Result<(), String> {
    let last = label.steps().last().map(|step| step.name);
    let taken = database.execute(LAST_STEP, &[]).ok();
    let taken = taken.as_ref().and_then(|rows| rows.first()).and_then(|row| row.text(0).ok());
    if taken == last {
        Ok(())
    } else {
        Err(format!("the database {:?} is not current (run `chayan migrate`)", label.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn describe(connection: &rusqlite::Connection) -> Vec<(String, String, String)> {
        connection
            .prepare(
                "SELECT type, name, coalesce(sql, '') FROM sqlite_schema
                 WHERE name <> 'schema_steps' ORDER BY type, name",
            )
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap()
    }

    #[test]
    fn steps_add_up_to_the_whole_schema() {
        for label in Label::ALL {
            let whole = rusqlite::Connection::open_in_memory().unwrap();
            whole.execute_batch(label.current()).unwrap();
            let stepped = crate::native::memory(label);
            assert_eq!(describe(&stepped.connection), describe(&whole), "{label:?}");
            check(&stepped, label).unwrap();
            // Running the steps again changes nothing.
            crate::native::migrate(&stepped.connection, label).unwrap();
            assert_eq!(describe(&stepped.connection), describe(&whole), "{label:?}");
        }
    }

    #[test]
    fn every_statement_fits_the_schema() {
        let databases = Label::ALL.map(|label| (label, crate::native::memory(label)));
        for (label, statement) in crate::statements() {
            let (_, database) = databases.iter().find(|(found, _)| *found == label).unwrap();
            database.connection.prepare(statement).unwrap();
        }
    }

    /// A statement whose plan depends on a parameter is planned anew for each call, which
    /// costs more than running it; a temporary table costs about as much as running it.
    #[test]
    fn statements_of_a_verification_call_are_planned_once_without_temporary_tables() {
        for (label, sql) in [
            (Label::Cases, crate::accounts::CALLER),
            (Label::Register, crate::register::FIND),
            (Label::Attempts, crate::attempts::COUNT),
            (Label::Attempts, crate::attempts::LOCKED),
            (Label::Calls, crate::calls::RESERVE),
            (Label::Calls, crate::calls::BEFORE),
            (Label::Calls, crate::calls::FINISH),
        ] {
            let database = crate::native::memory(label);
            let mut statement = database.connection.prepare(sql).unwrap();
            for call in 0..4_u8 {
                {
                    use rusqlite::types::Value::{Blob, Integer, Null, Text};
                    let key = Blob(vec![call; 16]);
                    let (account, text) = (Text("AB123".into()), Text("1".into()));
                    let parameters = match statement.parameter_count() {
                        14 => {
                            let keys = [(); 4].map(|()| key.clone());
                            let outcome = if call == 2 { text.clone() } else { Null };
                            let head = [account, Integer(7), outcome].into_iter().chain(keys);
                            let numbers = [7, 70, 7, 700, 0, 0].map(Integer);
                            head.chain([text]).chain(numbers).collect()
                        }
                        6 => {
                            vec![account, Integer(call.into()), text, key, Integer(7), Integer(7)]
                        }
                        _ if label == Label::Calls => vec![account, key],
                        _ => vec![key.clone(), Integer(7), key],
                    };
                    let parameters = parameters.into_iter().take(statement.parameter_count());
                    let parameters = rusqlite::params_from_iter(parameters);
                    let mut rows = statement.query(parameters).unwrap();
                    while rows.next().unwrap().is_some() {}
                }
                statement.clear_bindings();
            }
            let planned = statement.get_status(rusqlite::StatementStatus::RePrepare);
            assert_eq!(planned, 0, "{sql}");
            let explained = format!("EXPLAIN {sql}");
            let mut explained = database.connection.prepare(&explained).unwrap();
            let nothing = vec![rusqlite::types::Null; explained.parameter_count()];
            let operations = explained
                .query_map(rusqlite::params_from_iter(nothing), |row| {
                    row.get::<_, String>("opcode")
                })
                .unwrap();
            let temporary = operations
                .map(Result::unwrap)
                .any(|operation| ["OpenEphemeral", "SorterOpen"].contains(&operation.as_str()));
            // The count of a wrong answer has its place returned, a call its number and what is
            // due: asking for them would cost more.
            let returns = [crate::attempts::COUNT, crate::calls::RESERVE].contains(&sql);
            assert_eq!(temporary, returns, "{sql}");
        }
    }
}
