/**
 * What a PromQL expression asks for: metrics, label matchers and the labels that it groups by. Enough for the
 * expressions of deploy/; their grammar is promtool's affair.
 *
 * @module
 */

/** One `metric{label="value"}` of an expression. */
export interface Selector {
  readonly metric: string;
  readonly matchers: readonly { readonly label: string; readonly operator: string; readonly value: string }[];
}

/** Every selector of a metric that has an underscore in its name, as all have that are no function of PromQL. */
export function selectorsOf(expression: string): Selector[] {
  const found = expression.matchAll(/\b((?:mcproxy|node)_[a-z0-9_]+)\b(?:\{([^}]*)\})?/g);
  return Array.from(found, ([, metric, inside = ""]) => ({
    metric: metric!,
    matchers: Array.from(
      inside.matchAll(/(\w+)(=~|!~|!=|=)"((?:[^"\\]|\\.)*)"/g),
      ([, label, operator, value]) => ({ label: label!, operator: operator!, value: value! }),
    ),
  }));
}

/** Every label that an expression groups by. */
export function groupLabelsOf(expression: string): string[] {
  return [...expression.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, labels]) => labels!.split(/,\s*/));
}
