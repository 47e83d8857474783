//! What officers demand of an approved confirmation service, and its stop, which two of them
//! decide.

use domain::{Act, Actor, DemandKind, StopGround, TAIPEI};
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::json;

use crate::audit::Deed;
use crate::database::one;
use crate::services::day;
use crate::{Cases, Database, Row, ServiceRow, StoreError};

/// What is demanded of an applicant.
#[derive(Clone, Debug)]
pub struct DemandRow {
    /// Its number.
    pub id: i64,
    /// Of which service.
    pub service: i64,
    /// 限期改善 or 配合措施.
    pub kind: DemandKind,
    /// What.
    pub text: String,
    /// The last day for it.
    pub due_on: Date,
    /// When it was demanded.
    pub demanded_at: Timestamp,
    /// The applicant's answer.
    pub answer: Option<String>,
    /// When officers closed it.
    pub closed_at: Option<Timestamp>,
    /// Whether it was met.
    pub met: Option<bool>,
}

impl DemandRow {
    /// Whether it may be found unmet now: [`DemandKind::may_be_unmet`].
    pub fn may_be_unmet(&self, now: Timestamp) -> bool {
        let today = TAIPEI.to_datetime(now).date();
        self.kind.may_be_unmet(self.answer.is_some(), self.due_on, today)
    }
}

/// A demand that nobody has closed yet, and the officer who made it.
#[derive(Clone, Debug)]
pub struct OpenDemandRow {
    /// The demand.
    pub demand: DemandRow,
    /// Who made it.
    pub by: i64,
    /// That officer's name.
    pub by_name: String,
}

/// A stop that waits for the second officer.
#[derive(Clone, Debug)]
pub struct StopRow {
    /// Its number.
    pub id: i64,
    /// Of which service.
    pub service: i64,
    /// The ground.
    pub ground: StopGround,
    /// In words.
    pub reason: String,
    /// Who proposed it.
    pub proposed_by: i64,
    /// That officer's name.
    pub proposed_name: String,
    /// When.
    pub proposed_at: Timestamp,
}

macro_rules! demand_select {
    () => {
        "SELECT id, service_id, kind, text, due_on, demanded_at, answer, closed_at, met
    FROM confirmation_demands "
    };
}
const DEMANDS: &str = concat!(demand_select!(), "WHERE service_id = ?1 ORDER BY id DESC");
const DEMAND: &str = concat!(demand_select!(), "WHERE id = ?1");
const OPEN_DEMANDS: &str = "SELECT confirmation_demands.id, service_id, kind, text, due_on,
    demanded_at, answer, closed_at, met, demanded_by, name
    FROM confirmation_demands JOIN officers ON officers.id = demanded_by
    WHERE closed_at IS NULL ORDER BY due_on, confirmation_demands.id LIMIT 2000";
const PUT_DEMAND: &str = "INSERT INTO confirmation_demands
    (service_id, kind, text, due_on, demanded_at, demanded_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const ANSWER_DEMAND: &str = "UPDATE confirmation_demands SET answered_at = ?2, answer = ?3
    WHERE id = ?1 AND closed_at IS NULL RETURNING id";
const CLOSE_DEMAND: &str =
    "UPDATE confirmation_demands SET closed_at = ?2, closed_by = ?3, met = ?4
    WHERE id = ?1 AND closed_at IS NULL RETURNING id";
const PROPOSE_STOP: &str = "INSERT INTO confirmation_stops
    (service_id, ground, reason, proposed_by, proposed_at)
    SELECT id, ?2, ?3, ?4, ?5 FROM confirmation_services WHERE id = ?1 AND stopped_at IS NULL
    RETURNING id";
const OPEN_STOPS: &str = "SELECT confirmation_stops.id, service_id, ground, reason, proposed_by,
    name, proposed_at FROM confirmation_stops JOIN officers ON officers.id = proposed_by
    WHERE decided_at IS NULL ORDER BY confirmation_stops.id";
const DECIDE_STOP: &str = "UPDATE confirmation_stops
    SET decided_by = ?2, decided_at = ?3, endorsed = ?4
    WHERE id = ?1 AND decided_at IS NULL RETURNING id";
const STOP_SERVICE: &str = "UPDATE confirmation_services
    SET stopped_at = ?2, stop_ground = ?3, stop_reason = ?4
    WHERE id = ?1 AND stopped_at IS NULL RETURNING id";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[
    DEMANDS,
    DEMAND,
    OPEN_DEMANDS,
    PUT_DEMAND,
    ANSWER_DEMAND,
    CLOSE_DEMAND,
    PROPOSE_STOP,
    OPEN_STOPS,
    DECIDE_STOP,
    STOP_SERVICE,
];

impl<D: Database> Cases<D> {
    /// What is demanded of a service, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn demands(&self, service: i64) -> Result<Vec<DemandRow>, StoreError> {
        self.0.execute(DEMANDS, &[service.into()])?.iter().map(demand).collect()
    }

    /// One demand.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn demand(&self, id: i64) -> Result<Option<DemandRow>, StoreError> {
        self.0.execute(DEMAND, &[id.into()])?.first().map(demand).transpose()
    }

    /// Demands that nobody has closed yet, the most urgent first; two thousand at most.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open_demands(&self) -> Result<Vec<OpenDemandRow>, StoreError> {
        let open = |row: &Row| {
            Ok(OpenDemandRow {
                demand: demand(row)?,
                by: row.integer(9)?,
                by_name: row.text(10)?.to_owned(),
            })
        };
        self.0.execute(OPEN_DEMANDS, &[])?.iter().map(open).collect()
    }

    /// Demands improvement or measures by a day. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the same kind is demanded already.
    pub fn keep_demand(
        &self,
        service: &ServiceRow,
        kind: DemandKind,
        text: &str,
        due_on: Date,
        by: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let parameters = [
            service.id.into(),
            kind.name().into(),
            text.into(),
            due_on.to_string().into(),
            now.into(),
            by.into(),
        ];
        match self.0.execute(PUT_DEMAND, &parameters) {
            Err(StoreError::Unique(_)) => return Err(StoreError::Conflict),
            other => other.map(drop)?,
        }
        let deed = Deed::new(Actor::Officer(by), Act::Demanded, now);
        let details = json!({ "kind": kind, "dueOn": due_on.to_string() });
        self.log(&deed.on_case(service.case, service.applicant).with(details))
    }

    /// The applicant answers a demand. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it is closed.
    pub fn answer_demand(
        &self,
        service: &ServiceRow,
        demand: i64,
        answer: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        one(self.0.execute(ANSWER_DEMAND, &[demand.into(), now.into(), answer.into()])?)?;
        let deed = Deed::new(Actor::Applicant(service.applicant), Act::DemandAnswered, now);
        self.log(&deed.on_case(service.case, service.applicant).with(json!({ "demand": demand })))
    }

    /// An officer says whether a demand was met. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it is closed.
    pub fn close_demand(
        &self,
        service: &ServiceRow,
        demand: i64,
        met: bool,
        by: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let parameters = [demand.into(), now.into(), by.into(), i64::from(met).into()];
        one(self.0.execute(CLOSE_DEMAND, &parameters)?)?;
        let deed = Deed::new(Actor::Officer(by), Act::DemandClosed, now);
        let details = json!({ "demand": demand, "met": met });
        self.log(&deed.on_case(service.case, service.applicant).with(details))
    }

    /// Proposes to stop a service (point 6). Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it is stopped or that is proposed already.
    pub fn propose_stop(
        &self,
        service: &ServiceRow,
        ground: StopGround,
        reason: &str,
        by: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let parameters =
            [service.id.into(), ground.name().into(), reason.into(), by.into(), now.into()];
        match self.0.execute(PROPOSE_STOP, &parameters) {
            Err(StoreError::Unique(_)) => return Err(StoreError::Conflict),
            other => one(other?)?,
        };
        let deed = Deed::new(Actor::Officer(by), Act::Proposed, now);
        let details = json!({ "ground": ground, "reason": reason });
        self.log(&deed.on_case(service.case, service.applicant).with(details))
    }

    /// Stops that wait for the second officer.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open_stops(&self) -> Result<Vec<StopRow>, StoreError> {
        let stop = |row: &Row| {
            Ok(StopRow {
                id: row.integer(0)?,
                service: row.integer(1)?,
                ground: row.parsed(2, "ground", StopGround::from_name)?,
                reason: row.text(3)?.to_owned(),
                proposed_by: row.integer(4)?,
                proposed_name: row.text(5)?.to_owned(),
                proposed_at: row.instant(6)?,
            })
        };
        self.0.execute(OPEN_STOPS, &[])?.iter().map(stop).collect()
    }

    /// The second officer's word on a stop. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when somebody else was faster.
    pub fn decide_stop(
        &self,
        service: &ServiceRow,
        stop: &StopRow,
        endorsed: bool,
        by: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let parameters = [stop.id.into(), by.into(), now.into(), i64::from(endorsed).into()];
        one(self.0.execute(DECIDE_STOP, &parameters)?)?;
        let act = if endorsed { Act::Endorsed } else { Act::Declined };
        let deed = Deed::new(Actor::Officer(by), act, now);
        let details = json!({ "ground": stop.ground, "proposedBy": stop.proposed_by });
        self.log(&deed.on_case(service.case, service.applicant).with(details))?;
        if !endorsed {
            return Ok(());
        }
        let parameters =
            [service.id.into(), now.into(), stop.ground.name().into(), stop.reason.as_str().into()];
        one(self.0.execute(STOP_SERVICE, &parameters)?)?;
        let deed = Deed::new(Actor::Officer(by), Act::ConfirmationStopped, now);
        let details = json!({ "ground": stop.ground, "reason": stop.reason });
        self.log(&deed.on_case(service.case, service.applicant).with(details))
    }
}

fn demand(row: &Row) -> Result<DemandRow, StoreError> {
    Ok(DemandRow {
        id: row.integer(0)?,
        service: row.integer(1)?,
        kind: row.parsed(2, "demand", DemandKind::from_name)?,
        text: row.text(3)?.to_owned(),
        due_on: day(row, 4)?,
        demanded_at: row.instant(5)?,
        answer: row.optional_text(6)?,
        closed_at: row.optional_instant(7)?,
        met: row.optional_integer(8)?.map(|met| met == 1),
    })
}
