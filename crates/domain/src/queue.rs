//! The officers' queues, and what an officer may do to a case now. Pages show what these tables
//! say, so that no two of them differ.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::{
    CaseKind, CaseState, Decision, OfficeCalendar, Officer, Permission, TAIPEI, UnderReview,
    working_days_left,
};

/// A queue of the workbench.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Queue {
    /// Nobody has taken it on.
    New,
    /// The officer's own.
    Mine,
    /// The applicant is waited for.
    Waiting,
    /// Due within three working days.
    DueSoon,
    /// Past its day.
    Overdue,
    /// A supervisor is to look at it.
    SecondLook,
}

/// Working days before the due day from which a case is due soon.
const SOON: i32 = 3;

/// What decides where a case is queued.
#[derive(Clone, Copy, Debug)]
pub struct QueueFacts {
    /// The officer who has it.
    pub assigned_to: Option<i64>,
    /// Whether the applicant is waited for.
    pub waiting: bool,
    /// Whether a supervisor is to look at it.
    pub second_look: bool,
    /// Working days left; none while the clock stands still.
    pub days_left: Option<i32>,
}

impl QueueFacts {
    /// Of a demand with a day (003, points 6 (5) and 7): whoever made it has it; the applicant
    /// is waited for until it has answered or the day is over.
    pub fn of_demand(
        by: i64,
        answered: bool,
        due: Date,
        calendar: &OfficeCalendar,
        now: Timestamp,
    ) -> Self {
        let over = due < TAIPEI.to_datetime(now).date();
        let left = working_days_left(calendar, due, now);
        Self {
            assigned_to: Some(by),
            waiting: !answered && !over,
            second_look: false,
            days_left: Some(if over { left.min(-1) } else { left }),
        }
    }

    /// Of a stop that waits for the second officer.
    pub fn of_stop(by: i64) -> Self {
        Self { assigned_to: Some(by), waiting: false, second_look: true, days_left: None }
    }
}

impl Queue {
    /// Every queue, in the order of the page.
    pub const ALL: [Self; 6] =
        [Self::New, Self::Mine, Self::Waiting, Self::DueSoon, Self::Overdue, Self::SecondLook];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Mine => "mine",
            Self::Waiting => "waiting",
            Self::DueSoon => "due-soon",
            Self::Overdue => "overdue",
            Self::SecondLook => "second-look",
        }
    }

    /// What the page calls it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::New => "待領案",
            Self::Mine => "我的案件",
            Self::Waiting => "待申請人辦理",
            Self::DueSoon => "即將到期",
            Self::Overdue => "已逾期",
            Self::SecondLook => "待主管覆核",
        }
    }

    /// The queue of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|queue| queue.name() == name)
    }

    /// Whether a case is in this queue of this officer.
    pub fn has(self, facts: QueueFacts, officer: i64) -> bool {
        match self {
            Self::New => facts.assigned_to.is_none() && !facts.waiting,
            Self::Mine => facts.assigned_to == Some(officer),
            Self::Waiting => facts.waiting,
            Self::DueSoon => facts.days_left.is_some_and(|left| (0..=SOON).contains(&left)),
            Self::Overdue => facts.days_left.is_some_and(|left| left < 0),
            Self::SecondLook => facts.second_look,
        }
    }
}

/// What this officer may do to this case now, by the names of the acts on the wire.
pub fn case_acts(
    officer: &Officer,
    applicant: crate::Applicant,
    case: UnderReview,
) -> Vec<&'static str> {
    let mut acts = Vec::new();
    let may = |permission| officer.check_on(applicant, permission).is_ok();
    let open = case.state == CaseState::Accepted;
    let mine = case.check(officer.id).is_ok();
    if open && may(Permission::Decide) {
        match case.assigned_to {
            None => acts.push("claim"),
            Some(id) if id == officer.id => acts.push("release"),
            Some(_) => {}
        }
        if mine {
            if case.check_question(officer.id).is_ok() {
                acts.push("question");
            }
            acts.extend(["extension", "second-look"]);
            if case.kind == CaseKind::ImprovementPlan {
                acts.push("plan");
            }
            for (decision, act) in [(Decision::Approve, "approve"), (Decision::Reject, "reject")] {
                if case.check_decision(officer.id, decision).is_ok() {
                    acts.push(act);
                }
            }
        }
    }
    if open && may(Permission::Supervise) {
        acts.push("assign");
    }
    if case.state == CaseState::Rejected && may(Permission::Supervise) {
        acts.push("set-aside");
    }
    if officer.role.may(Permission::Decide) {
        acts.push("note");
    }
    acts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Role;

    #[test]
    fn a_case_is_where_it_belongs() {
        let facts = QueueFacts {
            assigned_to: None,
            waiting: false,
            second_look: false,
            days_left: Some(4),
        };
        let queues = |facts| -> Vec<_> {
            Queue::ALL.into_iter().filter(|queue| queue.has(facts, 1)).map(Queue::name).collect()
        };
        assert_eq!(queues(facts), ["new"]);
        assert_eq!(queues(QueueFacts { days_left: Some(3), ..facts }), ["new", "due-soon"]);
        assert_eq!(queues(QueueFacts { days_left: Some(0), ..facts }), ["new", "due-soon"]);
        assert_eq!(queues(QueueFacts { days_left: Some(-1), ..facts }), ["new", "overdue"]);
        let waiting = QueueFacts { waiting: true, days_left: None, ..facts };
        assert_eq!(queues(waiting), ["waiting"]);
        assert_eq!(queues(QueueFacts { assigned_to: Some(1), ..waiting }), ["mine", "waiting"]);
        assert_eq!(queues(QueueFacts { second_look: true, ..facts }), ["new", "second-look"]);
        for queue in Queue::ALL {
            assert_eq!(Queue::from_name(queue.name()), Some(queue));
        }
    }

    #[test]
    fn demands_and_stops_are_queued_like_cases() {
        let friday = jiff::civil::date(2026, 3, 6);
        let facts = |answered, now: &str| {
            let calendar = OfficeCalendar::default();
            QueueFacts::of_demand(1, answered, friday, &calendar, now.parse().unwrap())
        };
        let queues = |facts, officer| -> Vec<_> {
            let in_it = |queue: &Queue| queue.has(facts, officer);
            Queue::ALL.into_iter().filter(in_it).map(Queue::name).collect()
        };
        assert_eq!(queues(facts(false, "2026-02-20T00:00:00Z"), 1), ["mine", "waiting"]);
        assert_eq!(queues(facts(false, "2026-03-04T00:00:00Z"), 2), ["waiting", "due-soon"]);
        assert_eq!(queues(facts(true, "2026-03-06T15:59:59Z"), 1), ["mine", "due-soon"]);
        // A Saturday: no working day has passed since, but the day has.
        assert_eq!(queues(facts(false, "2026-03-06T16:00:00Z"), 1), ["mine", "overdue"]);
        assert_eq!(queues(QueueFacts::of_stop(1), 2), ["second-look"]);
    }

    #[test]
    fn what_may_be_done_follows_from_officer_and_case() {
        let company = "12345675".parse().unwrap();
        let officer = Officer { id: 1, name: "李".into(), role: Role::Officer, own_company: None };
        let supervisor = Officer { id: 2, role: Role::Supervisor, ..officer.clone() };
        let auditor = Officer { id: 3, role: Role::Auditor, ..officer.clone() };
        let case = UnderReview {
            state: CaseState::Accepted,
            kind: CaseKind::ApiApplication,
            assigned_to: None,
            waiting: false,
        };
        let decide = ["question", "extension", "second-look", "approve", "reject"];
        let of = |officer: &Officer, case| case_acts(officer, company, case);
        assert_eq!(of(&officer, case), [&["claim"], &decide[..], &["note"]].concat());
        let mine = UnderReview { assigned_to: Some(1), ..case };
        assert_eq!(of(&officer, mine), [&["release"], &decide[..], &["note"]].concat());
        assert_eq!(of(&supervisor, mine), ["assign", "note"]);
        assert!(of(&auditor, mine).is_empty());
        let own = Officer { own_company: Some(company), ..officer.clone() };
        assert_eq!(of(&own, case), ["note"]);
        let rejected = UnderReview { state: CaseState::Rejected, ..case };
        assert_eq!(of(&supervisor, rejected), ["set-aside", "note"]);
        assert_eq!(of(&officer, rejected), ["note"]);
        let plan = UnderReview { kind: CaseKind::ImprovementPlan, ..mine };
        assert!(of(&officer, plan).contains(&"plan") && !of(&officer, plan).contains(&"approve"));
    }
}
