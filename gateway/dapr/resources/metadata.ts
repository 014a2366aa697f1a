/** The metadata of the one component that becomes the store, as its adapter reads it: by name without case, secrets included. */
import type { Component } from './components.ts'
import type { Secrets } from './secrets.ts'

export class Metadata {
  readonly #component: Component
  readonly #secrets: Secrets
  /** What has been looked up, so that a problem is told once. */
  readonly #found = new Map<string, string | undefined>()

  constructor(component: Component, secrets: Secrets) {
    this.#component = component
    this.#secrets = secrets
  }

  /** Undefined when it is not given, or its secret is not there, which is noted then. */
  text(name: string): string | undefined {
    const key = name.toLowerCase()
    if (!this.#found.has(key)) {
      const item = this.#component.metadata.get(key)
      this.#found.set(key, item === undefined ? undefined : this.#secrets.valueOf(this.#component, item))
    }
    return this.#found.get(key)
  }

  has(name: string): boolean {
    return this.#component.metadata.has(name.toLowerCase())
  }

  needed(name: string): string | undefined {
    const value = this.text(name)
    if (value === '' || !this.has(name)) return this.refuse(name, 'is missing; write it')
    return value
  }

  /** Notes a problem; returns undefined. Never shows the value unless `problem` does. */
  refuse(name: string, problem: string): undefined {
    const item = this.#component.metadata.get(name.toLowerCase())
    const all = this.#component.root.at('spec').at('metadata')
    return item === undefined ? all.refuse(`${name} ${problem}`) : item.field.refuse(`${item.name}: ${problem}`)
  }

  /** Names, as they are written, of what nobody asked for. */
  get unread(): string[] {
    return [...this.#component.metadata].filter(([key]) => !this.#found.has(key) && key !== 'actorstatestore').map(([, { name }]) => name)
  }
}
