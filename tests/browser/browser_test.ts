/**
 * The pages in Chromium, as a person has them. One browser for the whole file;
 * the tests themselves are in the files beside it.
 */
import { faultsAreSeen } from "./faults.ts";
import {
  impatienceChangesNothing,
  impatienceOnPages,
  keyboardReachesEverything,
} from "./keyboard.ts";
import { messagesAreWhole, pagesAreWhole } from "./pages.ts";
import {
  addressesHoldTheState,
  refreshKeepsPlaces,
  refreshWaits,
  refreshWaitsForDialogs,
  refreshWithoutNews,
} from "./refresh.ts";
import {
  sessionInDialogs,
  sessionOnPages,
  sessionRefusesOtherOrigins,
} from "./session.ts";
import { pagesAreLight } from "./weight.ts";
import { useWorld } from "./world.ts";

const { test } = useWorld();

test(
  "what the tests in a browser look out for is seen when it happens",
  faultsAreSeen,
);

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
test(
  "a keyboard reaches the content at once, and every step of a change",
  keyboardReachesEverything,
);
test(
  "POST /previews/:token/executions is sent once by two clicks, and by three",
  impatienceChangesNothing,
);
test(
  "POST /previews/:token/executions changes one thing when scripts are off",
  impatienceOnPages,
);
test(
  "a page refreshes itself, unless somebody types, selects or looks elsewhere",
  refreshWaits,
);
test("a page does not refresh itself below a dialog", refreshWaitsForDialogs);
test("a refresh without news touches nothing", refreshWithoutNews);
test(
  "a refresh keeps what is open, focused and in view where it is",
  refreshKeepsPlaces,
);
test("an address holds all of what a list shows", addressesHoldTheState);
test(
  "a first visit stays within its weight, also to a full list",
  pagesAreLight,
);
