// GET /v1/responses/{id}/input_items: what a stored response answered, page by page, the newest first.
import { AppError, listedItem, type InputItem } from "@fairlane/protocol";
import { z } from "zod";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { INPUT_ITEMS_DEFAULT, INPUT_ITEMS_MAX } from "../limits.ts";
import { parseQuery } from "./parse-query.ts";
import { requireStored } from "./stored-response.ts";

export const inputItemsQuery = z.object({
  limit: z.coerce.number().int().min(1).max(INPUT_ITEMS_MAX).default(INPUT_ITEMS_DEFAULT),
  order: z.enum(["asc", "desc"]).default("desc"),
  after: z.string().max(256).optional(),
});

export function inputItemsRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const { stored, id } = await requireStored(context, deps);
    const { limit, order, after } = parseQuery(context, inputItemsQuery);
    const items = shownItems(stored.input.input, id);
    const ordered = order === "asc" ? items : items.toReversed();
    const start = after === undefined ? 0 : ordered.findIndex((item) => item.id === after) + 1;
    if (after !== undefined && start === 0) {
      throw new AppError("invalid_value", "There is no such item to go on after.", {
        param: "after",
      });
    }
    const data = ordered.slice(start, start + limit);
    return Response.json({
      object: "list",
      data,
      first_id: data.at(0)?.id ?? null,
      last_id: data.at(-1)?.id ?? null,
      has_more: start + limit < ordered.length,
    });
  };
}

function shownItems(items: readonly InputItem[], responseId: string) {
  const ulid = responseId.replace(/^resp_/, "");
  return items.map((item, index) => listedItem(item, `item_${ulid}_${index}`));
}
