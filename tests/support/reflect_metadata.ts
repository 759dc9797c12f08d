/**
 * The few functions of the Reflect metadata proposal that `@peculiar/x509` (through tsyringe) asks for when it
 * is imported. Import this module before it.
 *
 * @module
 */

type Metadata = Map<unknown, unknown>;

const metadataOf = new WeakMap<object, Metadata>();

function defineMetadata(key: unknown, value: unknown, target: object): void {
  const own = metadataOf.get(target) ?? new Map();
  metadataOf.set(target, own.set(key, value));
}

function getOwnMetadata(key: unknown, target: object): unknown {
  return metadataOf.get(target)?.get(key);
}

function getMetadata(key: unknown, target: object | null): unknown {
  for (let at = target; at !== null; at = Object.getPrototypeOf(at)) {
    if (metadataOf.get(at)?.has(key)) return getOwnMetadata(key, at);
  }
  return undefined;
}

function metadata(key: unknown, value: unknown): (target: object) => void {
  return (target) => defineMetadata(key, value, target);
}

Object.assign(Reflect, { defineMetadata, getOwnMetadata, getMetadata, metadata });
