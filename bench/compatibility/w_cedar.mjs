// Decides whether somebody may do something.
import { isAuthorized } from '@cedar-policy/cedar-wasm/nodejs';
import { printResult } from './result.mjs';

const policies = Array.from(
  { length: 100 },
  (_, i) => `permit(principal == User::"u${i}", action == Action::"read", resource in Album::"a${i % 7}");`,
);
const decisions = Array.from({ length: 40 }, (_, i) =>
  isAuthorized({
    principal: { type: 'User', id: `u${i}` },
    action: { type: 'Action', id: 'read' },
    resource: { type: 'Album', id: `a${i % 5}` },
    context: {},
    policies: { staticPolicies: policies.join('\n') },
    entities: [],
  }),
);
printResult(decisions);
