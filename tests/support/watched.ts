/** What a process sends, hears and asks, and one that only hears. */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { type Clock, systemClock } from "../../src/engine/clock.ts";
import { type Notice, parseNotice } from "../../src/store/notices.ts";

/**
 * For a process that never polls, and only hears: timers of 25 ms and more never
 * end, so it looks twice for a job that somebody waits for. Time stands still but
 * for the others, or what never ends would be overdue.
 */
export function deafToTime(): Clock {
  let nowMs = 0;
  return {
    monotonicMs: () => nowMs,
    after(ms, callBack) {
      if (ms >= 25) return () => {};
      const atMs = nowMs + ms;
      return systemClock.after(ms, () => {
        nowMs = Math.max(nowMs, atMs);
        callBack();
      });
    },
  };
}

/** What a process sends and hears, and how often it asks how jobs ended. */
export function watched(database: Database) {
  const sent: Notice[] = [];
  const heard: Notice[] = [];
  const asked: number[] = [];
  const watching: Database = {
    schema: database.schema,
    now: database.now,
    transaction: database.transaction.bind(database),
    script: database.script.bind(database),
    listen(channel, onNotice, onReady) {
      const listening = database.listen?.(channel, (payload) => {
        onNotice(payload);
        const notice = parseNotice(payload);
        if (notice !== null) heard.push(notice);
      }, onReady);
      assert.ok(listening);
      return listening;
    },
    query(statement, options) {
      const { text, values } = statement.render("yardmaster");
      if (text.includes("pg_notify")) {
        const notice = parseNotice(String(values[1]));
        if (notice !== null) sent.push(notice);
      }
      if (text.includes("as asked (id)")) {
        asked.push((values[0] as readonly unknown[]).length);
      }
      return database.query(statement, options);
    },
  };
  return { database: watching, sent, heard, asked };
}
