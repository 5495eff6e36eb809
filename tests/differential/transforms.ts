/** What filters of scenarios do to the bytes, as bufferevents.c does it in C. */
import type { FilterTransform } from "../../src/core/bufferevent_filter.ts";
import { BEV_ERROR, BEV_FINISHED, BEV_NEED_MORE, BEV_NORMAL, BEV_OK } from "../../src/core/constants.ts";

/** By their names; any other name passes everything through. */
export const transforms: Readonly<Record<string, FilterTransform | undefined>> = {
  /** Every byte twice, as long as that is no more than the limit. */
  twice: (source, target, limit) => {
    const bytes = new Uint8Array(2);
    let done = 0;
    while ((done + 2 <= limit || done === 0) && source.remove(bytes.subarray(0, 1)) === 1) {
      bytes[1] = bytes[0]!;
      target.add(bytes);
      done += 2;
    }
    return done > 0 ? BEV_OK : BEV_NEED_MORE;
  },
  /** Every second byte; an odd one waits for its neighbour. */
  half: (source, target, limit, mode) => {
    const bytes = new Uint8Array(2);
    let done = 0;
    while ((done < limit || done === 0) && source.length >= (mode === BEV_FINISHED ? 1 : 2)) {
      source.remove(bytes);
      target.add(bytes.subarray(0, 1));
      done++;
    }
    return done > 0 ? BEV_OK : BEV_NEED_MORE;
  },
  /** Groups of four bytes; any number of them only when told to pass on what there is. */
  fours: (source, target, limit, mode) => {
    let { length } = source;
    if (mode === BEV_NORMAL) length -= length % 4;
    if (limit >= 4 && length > limit) length = limit - limit % 4;
    else if (limit < 4 && length > 4) length = 4;
    if (length === 0) return BEV_NEED_MORE;
    source.removeBuffer(target, length);
    return BEV_OK;
  },
  /** Can do nothing. */
  broken: () => BEV_ERROR,
};
