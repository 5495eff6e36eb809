import { assertEquals } from "@std/assert";
import { afterEach, beforeEach } from "@std/testing/bdd";
import type { BufferEvent, EventBase } from "../../src/core/mod.ts";
import { engineCount } from "../../src/tls/tls_engine.ts";
import { Descriptors } from "../support/descriptors.ts";
import { type Ends, type EndsOptions, openEnds, shakeHands } from "./tls_support.ts";

/** What each test of a group has anew. It is given back after the test, which must have left nothing of OpenSSL's behind then. */
export class TlsWorkbench {
  base!: EventBase;
  descriptors!: Descriptors;
  /** Connections that are closed after the test. */
  open: BufferEvent[] = [];
  /** How many engines there were before the test. */
  engines = 0;

  /** Is called where tests are described. */
  constructor(newBase: () => EventBase) {
    beforeEach(() => {
      this.base = newBase();
      this.descriptors = new Descriptors();
      this.open = [];
      this.engines = engineCount();
    });
    afterEach(() => {
      for (const connection of this.open) connection.close();
      this.descriptors[Symbol.dispose]();
      this.base.close();
      assertEquals(engineCount(), this.engines);
    });
  }

  /** Two ends that have not shaken hands yet. */
  readonly ends = (options: EndsOptions = {}): Ends => {
    const both = openEnds(this.base, options.over === "pair" ? null : this.descriptors, options);
    this.open.push(both.client, both.server);
    return both;
  };

  /** Two ends that have. */
  readonly connected = (options: EndsOptions = {}): Ends => {
    const both = this.ends(options);
    shakeHands(this.base, both);
    return both;
  };
}
