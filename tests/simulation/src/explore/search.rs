//! Breadth-first search over all states of a model.

use std::collections::{HashMap, VecDeque};
use std::fmt::Debug;

use crate::failure::Failure;

/// What is searched.
pub(crate) trait Model {
    /// Where everything stands. Cheap to copy, or short lived.
    type State;
    /// What can happen next.
    type Action: Copy + Debug;

    /// Where it begins.
    fn begin(&self) -> Self::State;

    /// What can happen in a state.
    fn actions(&self, state: &Self::State) -> Vec<Self::Action>;

    /// Where that leads, and whether the properties hold on the way.
    fn next(&self, state: &Self::State, action: Self::Action) -> Result<Next<Self::State>, Failure>;

    /// All of the state that matters to what follows, and nothing else: two with the same key are one.
    fn key(&self, state: &Self::State) -> Vec<u8>;

    /// Everything is done here.
    fn done(&self, state: &Self::State) -> bool;
}

/// Where an action leads.
pub(crate) enum Next<S> {
    /// Nowhere: nothing changes.
    Same,
    /// Out of the scope.
    Beyond,
    /// On.
    To(S),
}

/// What a search has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explored {
    /// Different states.
    pub states: usize,
    /// Actions that led from one to another.
    pub steps: usize,
    /// Of the states, those in which everything is done.
    pub done: usize,
    /// Actions on the longest of the shortest ways.
    pub depth: usize,
}

/// A property that does not hold, and a shortest way to where it does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which one.
    pub failure: Failure,
    /// The actions that lead there.
    pub way: Vec<String>,
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.failure)?;
        self.way.iter().zip(1..).try_for_each(|(action, number)| write!(f, "\n  {number:>2}. {action}"))
    }
}

/// How a state was reached first.
struct Visited<A> {
    from: Option<(usize, A)>,
    depth: usize,
    done: bool,
    beyond: bool,
}

/// Visits every state, at most `limit` of them.
///
/// # Errors
/// [`Found`]: a property does not hold, or no state in which all is done can be reached.
pub(crate) fn search<M: Model>(model: &M, limit: usize) -> Result<Explored, Box<Found>> {
    let first = model.begin();
    let mut numbers = HashMap::from([(model.key(&first), 0)]);
    let mut visited = vec![Visited { from: None, depth: 0, done: model.done(&first), beyond: false }];
    let mut back: Vec<Vec<usize>> = vec![Vec::new()];
    let mut waiting = VecDeque::from([(0, first)]);
    let mut steps = 0;
    while let Some((number, state)) = waiting.pop_front() {
        for action in model.actions(&state) {
            let next = model.next(&state, action).map_err(|failure| found(&visited, number, Some(action), failure))?;
            let next = match next {
                Next::Same => continue,
                Next::Beyond => {
                    visited[number].beyond = true;
                    continue;
                }
                Next::To(next) => next,
            };
            steps += 1;
            let key = model.key(&next);
            let known = numbers.get(&key).copied();
            let to = known.unwrap_or(visited.len());
            if known.is_none() {
                if visited.len() == limit {
                    let failure = Failure::new("the scope is small", format!("there are more than {limit} states"));
                    return Err(found(&visited, number, Some(action), failure));
                }
                numbers.insert(key, to);
                let depth = visited[number].depth + 1;
                visited.push(Visited { from: Some((number, action)), depth, done: model.done(&next), beyond: false });
                back.push(Vec::new());
                waiting.push_back((to, next));
            }
            back[to].push(number);
        }
    }
    if let Some(trap) = trap(&visited, &back) {
        let failure = Failure::new("every state can reach an end", "from here nothing leads to one");
        return Err(found(&visited, trap, None, failure));
    }
    let done = visited.iter().filter(|state| state.done).count();
    let depth = visited.iter().map(|state| state.depth).max().unwrap_or(0);
    Ok(Explored { states: visited.len(), steps, done, depth })
}

/// The first state from which no end can be reached. What leads out of the scope is not held against a state.
fn trap<A>(visited: &[Visited<A>], back: &[Vec<usize>]) -> Option<usize> {
    let mut reaches: Vec<bool> = visited.iter().map(|state| state.done || state.beyond).collect();
    let mut waiting: Vec<usize> = (0..visited.len()).filter(|number| reaches[*number]).collect();
    while let Some(number) = waiting.pop() {
        for before in &back[number] {
            if !std::mem::replace(&mut reaches[*before], true) {
                waiting.push(*before);
            }
        }
    }
    reaches.iter().position(|reaches| !reaches)
}

fn found<A: Copy + Debug>(visited: &[Visited<A>], number: usize, last: Option<A>, failure: Failure) -> Box<Found> {
    let mut way: Vec<String> = last.iter().map(|action| format!("{action:?}")).collect();
    let mut at = number;
    while let Some((before, action)) = visited[at].from {
        way.push(format!("{action:?}"));
        at = before;
    }
    way.reverse();
    Box::new(Found { failure, way })
}
