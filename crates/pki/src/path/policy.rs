//! Certificate policies along a path (RFC 5280, sections 6.1.2 to 6.1.5). The tree of
//! the RFC can grow exponentially; as RFC 9618 advises, it is kept as a graph with one
//! node for each policy and depth.

use std::collections::{BTreeMap, BTreeSet};

use der::asn1::ObjectIdentifier;

use crate::Certificate;
use crate::oid::ANY_POLICY;
use crate::path::{PathError, PathRequest};

/// Policies that one certificate may assert.
const MAX_POLICIES: usize = 100;

/// A policy at one depth.
struct Node {
    /// What the next certificate may assert to follow this node.
    expected: BTreeSet<ObjectIdentifier>,
    /// Nodes one depth above.
    parents: BTreeSet<ObjectIdentifier>,
}

type Level = BTreeMap<ObjectIdentifier, Node>;

/// What is known about policies at one certificate of the path.
pub(super) struct PolicyState<'a> {
    request: &'a PathRequest<'a>,
    /// From the anchor down; `None` once no policy is valid any more.
    graph: Option<Vec<Level>>,
    explicit_policy: u32,
    policy_mapping: u32,
    inhibit_any_policy: u32,
}

impl<'a> PolicyState<'a> {
    /// Before the first certificate of a path with `length` certificates after the anchor.
    pub(super) fn new(request: &'a PathRequest<'a>, length: u32) -> Self {
        let after = |inhibited: bool| if inhibited { 0 } else { length + 1 };
        let root = Node { expected: BTreeSet::from([ANY_POLICY]), parents: BTreeSet::new() };
        Self {
            request,
            graph: Some(vec![Level::from([(ANY_POLICY, root)])]),
            explicit_policy: after(request.explicit_policy),
            policy_mapping: after(request.inhibit_policy_mapping),
            inhibit_any_policy: after(request.inhibit_any_policy),
        }
    }

    /// Section 6.1.3, steps d to f.
    pub(super) fn process(
        &mut self,
        certificate: &Certificate,
        last: bool,
    ) -> Result<(), PathError> {
        let policies = certificate.extensions().policies.as_ref();
        self.graph = match (self.graph.take(), policies) {
            (Some(mut graph), Some(policies)) => {
                let asserted: BTreeSet<_> =
                    policies.value.0.iter().map(|policy| policy.policy_identifier).collect();
                let count = policies.value.0.len();
                if asserted.len() != count || count > MAX_POLICIES {
                    return Err(PathError::Policy);
                }
                let any_counts =
                    self.inhibit_any_policy > 0 || (!last && certificate.is_self_issued());
                let level = graph.last().map(|above| below(above, &asserted, any_counts));
                match level {
                    Some(level) if !level.is_empty() => {
                        graph.push(level);
                        Some(graph)
                    }
                    _ => None,
                }
            }
            _ => None,
        };
        if self.explicit_policy == 0 && self.graph.is_none() {
            return Err(PathError::Policy);
        }
        Ok(())
    }

    /// Section 6.1.4, steps a, b and h to j.
    pub(super) fn prepare_next(&mut self, certificate: &Certificate) -> Result<(), PathError> {
        let extensions = certificate.extensions();
        if let Some(mappings) = &extensions.policy_mappings {
            let mut mapped: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
            for mapping in &mappings.value.0 {
                let (from, to) = (mapping.issuer_domain_policy, mapping.subject_domain_policy);
                if from == ANY_POLICY || to == ANY_POLICY {
                    return Err(PathError::Policy);
                }
                mapped.entry(from).or_default().insert(to);
            }
            self.map(mapped);
        }
        if !certificate.is_self_issued() {
            for counter in
                [&mut self.explicit_policy, &mut self.policy_mapping, &mut self.inhibit_any_policy]
            {
                *counter = counter.saturating_sub(1);
            }
        }
        if let Some(constraints) = &extensions.policy_constraints {
            let constraints = &constraints.value;
            lower(&mut self.explicit_policy, constraints.require_explicit_policy);
            lower(&mut self.policy_mapping, constraints.inhibit_policy_mapping);
        }
        if let Some(inhibit) = &extensions.inhibit_any_policy {
            lower(&mut self.inhibit_any_policy, Some(inhibit.value.0));
        }
        Ok(())
    }

    fn map(&mut self, mapped: BTreeMap<ObjectIdentifier, BTreeSet<ObjectIdentifier>>) {
        let Some(level) = self.graph.as_mut().and_then(|graph| graph.last_mut()) else { return };
        for (from, to) in mapped {
            if self.policy_mapping == 0 {
                level.remove(&from);
            } else if let Some(node) = level.get_mut(&from) {
                node.expected = to;
            } else if let Some(any) = level.get(&ANY_POLICY) {
                let parents = any.parents.clone();
                level.insert(from, Node { expected: to, parents });
            }
        }
        if level.is_empty() {
            self.graph = None;
        }
    }

    /// Section 6.1.5, steps a, b and g.
    pub(super) fn wrap_up(mut self, certificate: &Certificate) -> Result<(), PathError> {
        self.explicit_policy = self.explicit_policy.saturating_sub(1);
        let constraints = certificate.extensions().policy_constraints.as_ref();
        if constraints.is_some_and(|found| found.value.require_explicit_policy == Some(0)) {
            self.explicit_policy = 0;
        }
        if self.explicit_policy == 0 && !self.has_wanted_policy() {
            return Err(PathError::Policy);
        }
        Ok(())
    }

    /// Whether a policy that is valid for the whole path descends from one that is wanted.
    fn has_wanted_policy(&self) -> bool {
        let Some(graph) = &self.graph else { return false };
        let wanted = self.request.policies;
        let mut levels = graph.iter();
        let mut good: BTreeSet<_> = levels.next().into_iter().flat_map(Level::keys).collect();
        for level in levels {
            let descends = |policy: &ObjectIdentifier, node: &Node| {
                *policy == ANY_POLICY
                    || node.parents.iter().any(|parent| {
                        if *parent == ANY_POLICY {
                            wanted.is_empty() || wanted.contains(policy)
                        } else {
                            good.contains(parent)
                        }
                    })
            };
            good =
                level.iter().filter(|(name, node)| descends(name, node)).map(|(n, _)| n).collect();
        }
        !good.is_empty()
    }
}

/// The level below `above` for a certificate that asserts these policies.
fn below(above: &Level, asserted: &BTreeSet<ObjectIdentifier>, any_counts: bool) -> Level {
    let mut level = Level::new();
    for policy in asserted.iter().filter(|policy| **policy != ANY_POLICY) {
        let mut parents = expecting(above, policy);
        if parents.is_empty() && above.contains_key(&ANY_POLICY) {
            parents.insert(ANY_POLICY);
        }
        if !parents.is_empty() {
            level.insert(*policy, Node { expected: BTreeSet::from([*policy]), parents });
        }
    }
    if asserted.contains(&ANY_POLICY) && any_counts {
        let all: BTreeSet<_> = above.values().flat_map(|node| node.expected.clone()).collect();
        for policy in all {
            level.entry(policy).or_insert_with(|| Node {
                expected: BTreeSet::from([policy]),
                parents: expecting(above, &policy),
            });
        }
    }
    level
}

fn expecting(above: &Level, policy: &ObjectIdentifier) -> BTreeSet<ObjectIdentifier> {
    let nodes = above.iter().filter(|(_, node)| node.expected.contains(policy));
    nodes.map(|(name, _)| *name).collect()
}

fn lower(counter: &mut u32, limit: Option<u32>) {
    if let Some(limit) = limit {
        *counter = (*counter).min(limit);
    }
}
