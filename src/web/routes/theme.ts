import { Hono } from "hono";
import { writeTheme } from "../cookies.ts";
import { type Env, THEMES } from "../env.ts";
import { decidedElsewhere } from "../middleware.ts";

/** The switch of light and dark: everybody may choose how pages look. */
export function themeRoutes(): Hono<Env> {
  return new Hono<Env>().post("/theme", decidedElsewhere(), (c) => {
    const { form, paths } = c.var;
    const theme = THEMES.find((known) => known === form["theme"]);
    writeTheme(c, theme ?? "auto");
    return c.redirect(paths.back(form["back"]), 303);
  });
}
