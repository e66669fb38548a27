/** What the other tests look out for is really seen. */
import assert from "node:assert/strict";
import { faultsOfPage, openWithAxe } from "./pages.ts";
import { BASE, type World } from "./world.ts";

/** One wrong thing after the other, done to a page of ours. */
const WRONGS = [
  [/Blocked style-src/, `document.body.setAttribute("style", "color: red")`],
  [
    /Blocked require-trusted-types-for: .*onclick/,
    `document.body.setAttribute("onclick", "go()")`,
  ],
  [/Blocked require-trusted-types-for/, `document.body.innerHTML = "<p>"`],
  [/thrown in a page: ouch/, `setTimeout(() => { throw new Error("ouch") })`],
  [/somewhere else: http/, `new Image().src = "http://127.0.0.2:9/x.png"`],
  [/status of 404/, `fetch("/nowhere").then((answer) => answer.text())`],
  [/is \d+ wide of/, `document.querySelector("h1").style.width = "999px"`],
  [
    /has 2 h1/,
    `document.querySelector("main").append(
    document.querySelector("h1").cloneNode(true))`,
  ],
  [/has no title/, `document.title = ""`],
  [/by colour alone/, `document.querySelector(".badge svg").remove()`],
  [
    /button-name at/,
    `document.querySelector("main").append(
    document.createElement("button"))`,
  ],
] as const;

/** A lane that sees nothing would pass. */
export async function faultsAreSeen(world: World): Promise<void> {
  await using tab = await openWithAxe(world, { person: "ops-demo" });
  for (const [fault, wrong] of WRONGS) {
    await tab.page.goto(BASE);
    assert.deepEqual(tab.takeFaults(), []);
    // Blocked things throw as well; that is not what is looked for here.
    await tab.page.evaluate(wrong).catch(() => {});
    const found = await faultsOfPage(tab, [360]);
    assert.ok(found.some((each) => fault.test(each)), `${wrong}: ${found}`);
  }
}
