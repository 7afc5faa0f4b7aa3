import { createSubscriber } from 'svelte/reactivity';

/** How often what is told in minutes is told anew. */
const EVERY_MS = 30_000;

const subscribe = createSubscriber((update) => {
  const timer = setInterval(update, EVERY_MS);
  return () => clearInterval(timer);
});

/** The time of now; whoever draws it is drawn again as it passes. */
export function now(): number {
  subscribe();
  return Date.now();
}
