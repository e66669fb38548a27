/**
 * The pages in Chromium, as a person has them. One browser for the whole file;
 * the tests themselves are in the files beside it.
 */
import { messagesAreWhole, pagesAreWhole } from "./pages.ts";
import {
  sessionInDialogs,
  sessionOnPages,
  sessionRefusesOtherOrigins,
} from "./session.ts";
import { useWorld } from "./world.ts";

const { test } = useWorld();

test(
  "first session: in a dialog, that keeps the focus and what was typed",
  sessionInDialogs,
);
test("first session: over whole pages, when scripts are off", sessionOnPages);
test(
  "POST /previews refuses a form of another origin in a real browser",
  sessionRefusesOtherOrigins,
);
test(
  "every page is accessible, fits its screen and asks nobody else, light and dark",
  pagesAreWhole,
);
test(
  "pages that refuse or find nothing are as accessible as the others",
  messagesAreWhole,
);
