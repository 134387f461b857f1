//! Given / when / then, for the tests of every crate that decides.
//!
//! ```
//! use atelier_domain::testing::{Scenario, ring_model};
//! use atelier_domain::{Command, Role, Status};
//!
//! Scenario::created()
//!     .when(Role::Customer, Command::AttachModel { model: ring_model() })
//!     .then_status(Status::FileUploaded)
//!     .when(Role::Seller, Command::ApproveOrder { reason: None })
//!     .then_rejected("not_allowed");
//! ```

use crate::{
    Channel, Command, Decision, Event, Item, Measures, Model, Money, Order, Policy, Quote, QuoteLine, Rejection, Request, Role, Status,
    TimeMs, decide, evolve, on_deadline, remember,
};

/// An order under test, with a clock moved by hand.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The state so far.
    pub order: Option<Order>,
    /// Every event so far, with its time.
    pub events: Vec<(Event, TimeMs)>,
    /// What goes by.
    pub policy: Policy,
    /// What the clock says.
    pub now: TimeMs,
    /// What the last command came to.
    pub last: Option<Decision>,
    next_command: u128,
}

impl Scenario {
    /// No order yet.
    pub fn nothing() -> Self {
        Self { order: None, events: Vec::new(), policy: Policy::default(), now: 1_000_000, last: None, next_command: 1 }
    }

    /// An order of the shop, just created.
    pub fn created() -> Self {
        Self::nothing().when(Role::Customer, create_order())
    }

    /// An order of a partner, handed in on these terms (`None`: it waits for the partner to accept the price).
    pub fn submitted_by_partner(approve_up_to: Option<Money>) -> Self {
        let Command::CreateOrder { item, .. } = create_order() else { unreachable!("it creates") };
        // The name under which a scenario's partner asks.
        let client = Role::Partner.as_str().to_owned();
        let create = Command::CreateOrder { channel: Channel::Partner, client, reference: Some("R-1".into()), customer: None, item };
        let submit = approve_up_to.map_or(Command::SubmitOrder, |price| Command::SubmitOrderUpTo { price });
        Self::nothing()
            .when(Role::Partner, create)
            .when(Role::Partner, Command::AttachModel { model: ring_model() })
            .when(Role::Partner, submit)
            .then_status(Status::Submitted)
    }

    /// An order in a partner's sandbox, with a price.
    pub fn priced_in_sandbox() -> Self {
        let Command::CreateOrder { item, .. } = create_order() else { unreachable!("it creates") };
        let client = Role::Sandbox.as_str().to_owned();
        let create = Command::CreateOrder { channel: Channel::Partner, client, reference: Some("R-1".into()), customer: None, item };
        Self::nothing()
            .when(Role::Sandbox, create)
            .when(Role::Sandbox, Command::AttachModel { model: ring_model() })
            .when(Role::Sandbox, Command::SubmitOrder)
            .quoted(1)
            .then_status(Status::PriceCalculated)
    }

    /// A worker takes the attempt and brings [`quote`].
    pub fn quoted(self, attempt: u32) -> Self {
        self.when(Role::Worker, Command::AcceptPricing { attempt, worker: "w1".into() })
            .when(Role::Worker, Command::CompletePricing { attempt, worker: "w1".into(), quote: quote() })
    }

    /// An order with a price, by the straight way.
    pub fn priced() -> Self {
        let worker = || "w1".to_owned();
        Self::created()
            .when(Role::Customer, Command::AttachModel { model: ring_model() })
            .when(Role::Customer, Command::SubmitOrder)
            .when(Role::Worker, Command::AcceptPricing { attempt: 1, worker: worker() })
            .when(Role::Worker, Command::CompletePricing { attempt: 1, worker: worker(), quote: quote() })
            .then_status(Status::PriceCalculated)
    }

    /// Somebody asks, under a fresh command id.
    pub fn when(self, role: Role, command: Command) -> Self {
        let id = self.next_command;
        self.when_again(role, command, id)
    }

    /// Somebody asks under a command id of the test's own.
    pub fn when_again(mut self, role: Role, command: Command, command_id: u128) -> Self {
        self.next_command = self.next_command.max(command_id) + 1;
        let digest = digest(&command);
        let request = Request { command_id, digest, role, name: role.as_str(), expected_version: None, command: command.clone() };
        let decision = decide(self.order.as_ref(), request, &self.policy, self.now);
        if let Decision::Accepted(events) = &decision {
            assert!(!events.is_empty(), "an accepted command has events: {command:?}");
            self.apply(events.clone());
            if let (Some(order), Some(event)) = (&mut self.order, events.last()) {
                remember(order, command_id, digest, event);
            }
        }
        self.last = Some(decision);
        self
    }

    /// Time passes; deadlines that have passed are written, as often as there are any.
    pub fn after_ms(mut self, ms: TimeMs) -> Self {
        self.now += ms;
        while let Some(order) = &self.order {
            let events = on_deadline(order, &self.policy, self.now);
            if events.is_empty() {
                break;
            }
            self.apply(events);
        }
        self
    }

    /// The order stands so.
    #[track_caller]
    pub fn then_status(self, status: Status) -> Self {
        assert_eq!(self.order.as_ref().map(Order::status), Some(status), "after {:?}", self.last);
        self
    }

    /// The last command was refused with this code.
    #[track_caller]
    pub fn then_rejected(self, code: &str) -> Self {
        match &self.last {
            Some(Decision::Rejected(rejection)) => assert_eq!(rejection.code(), code, "{rejection:?}"),
            other => panic!("expected a refusal {code}, got {other:?}"),
        }
        self
    }

    /// The refusal of the last command.
    #[track_caller]
    pub fn rejection(&self) -> &Rejection {
        match &self.last {
            Some(Decision::Rejected(rejection)) => rejection,
            other => panic!("expected a refusal, got {other:?}"),
        }
    }

    /// The last command was decided before.
    #[track_caller]
    pub fn then_repeated(self) -> Self {
        assert!(matches!(self.last, Some(Decision::Repeated(_))), "{:?}", self.last);
        self
    }

    fn apply(&mut self, events: Vec<Event>) {
        for event in events {
            self.order = evolve(self.order.take(), &event, self.now);
            self.events.push((event, self.now));
        }
    }
}

/// A digest for tests: any function of the command will do.
pub fn digest(command: &Command) -> i64 {
    format!("{command:?}").bytes().fold(17_i64, |hash, byte| hash.wrapping_mul(31).wrapping_add(i64::from(byte)))
}

/// A silver ring, one piece.
pub fn create_order() -> Command {
    let item = Item { material: "silver-925".into(), quantity: 1, finish: "polished".into() };
    Command::CreateOrder { channel: Channel::Shop, client: "shop".into(), reference: None, customer: None, item }
}

/// A model that exists nowhere.
pub fn ring_model() -> Model {
    let sha256 = "ab".repeat(32).parse().expect("64 digits");
    Model { sha256, format: "stl".into(), size_bytes: 84 }
}

/// A sound quote for [`ring_model`].
pub fn quote() -> Quote {
    Quote {
        price: Money { minor: 12_340, currency: "EUR".into() },
        lines: vec![QuoteLine { code: "metal".into(), text: "silver".into(), minor: 12_340 }],
        model_sha256: "ab".repeat(32),
        algorithm: "test/1".into(),
        price_book: "test".into(),
        metal_fix: "test".into(),
        measures: Measures { volume_mm3: 1.0, area_mm2: 6.0, triangles: 12, watertight: true, size_mm: vec![1.0, 1.0, 1.0] },
        warnings: Vec::new(),
    }
}
