/** Where our buffered connections deliberately differ from C's, as differences.ts says of the loop. */

/** Name and reason of every difference. */
export const bufferEventDifferences = {
  "what is queued leaves at the end of the callback":
    "It is sent when the callback that queued it ends, or with the next turn, and writability is watched only after the kernel has " +
    "refused bytes. C waits for writability first. Everywhere but here C is made to send at the same moments.",
  "enabling writing is no progress":
    "The write callback tells of something that was sent. C calls it, too, when writing is enabled and nothing is queued.",
  "more bytes at a time":
    "One read takes up to 64 KiB and one go of sending 256 KiB. In C it is 16 KiB each, of which a read takes 4 KiB. Everywhere but " +
    "here both are told 4 KiB and 16 KiB.",
  "a connection is closed at once":
    "close() closes the descriptor. C does that from the loop; everywhere but here its descriptor is replaced before that.",
  "without a descriptor nothing is waited for":
    "A socket that has none yet does not keep the loop alive. In C it waits for descriptor -1.",
  "a connect that fails leaves nothing behind":
    "Writing is disabled, and a socket that connect() made is closed. C keeps both as they are.",
  "what cannot be sent is dropped":
    "After an error on writing the output is empty: how much of it has arrived is not known. C keeps it.",
  "a callback that takes nothing is not called again":
    "A read callback that leaves the input at the high watermark or above is called again if it has taken something. C calls it for ever.",
  "an event waits for what came before it":
    "An event that comes while deferred callbacks are due waits for them. In C only connections that defer everything do that.",
  "a deferred call waits for its callback":
    "What becomes due while no callback is set is told to one that is set before the loop comes to it. C forgets it.",
  "a priority can be set while callbacks are due": "They move to the other queue. C refuses, or leaves them in theirs.",
  "only progress restarts a timeout":
    "Nothing but bytes, and setTimeouts() itself, starts a timeout anew. In C what is enabled a second time does, and so does whatever " +
    "changes the input or its watermarks once there has been a high one.",
  "a timeout that is lifted stays lifted":
    "C remembers the time of a direction that does not wait just then, and goes by it when it waits again.",
  "closing an end of a pair is told": "The other end is told of the end of the stream, once it reads. C tells nothing.",
  "flushing a pair moves everything":
    "All that is queued comes to the other end, however high its watermark. C fills up to the mark unless that is reached already.",
  "a pair's flush tells of what it moved": "Nothing is told where nothing was moved. C calls both ends all the same.",
  "a pair's write timer is about writing":
    "It runs while something is queued. C starts it when writing is enabled or timeouts are set, and restarts that of the end that reads.",
  "the limits of a pair hold": "What moves between the ends obeys their rate limits. In C they have no effect.",
  "a filter calls back from the loop":
    "Callbacks that are due because of a call of the user's come from the loop. C calls them from inside, unless all are deferred.",
  "a transform's error is told": "It disables its direction and is told as an event. C ignores it.",
  "the end of the stream flushes the input transform":
    "It runs once more for the last time, before the event. C means to, and does not.",
  "a filter goes on as soon as it may":
    "Enabling it, or other watermarks, moves what has waited for that, and so does any change of its state. In C it waits on until " +
    "something happens underneath.",
  "a filter's flush tells of what it moved":
    "The read callback is called for input that a flush has made, and the write callback only where something was passed on. C leaves " +
    "out the former, and where its null transform has moved nothing calls the latter.",
  "a filter's write timer is about writing":
    "It runs while anything is queued, at the filter or underneath. In C it runs whenever writing is enabled.",
  "the limits of a filter are those underneath":
    "Rate limits and single maxima set on a filter are those of the connection underneath. In C they have no effect.",
  "closing what is underneath closes the filter": "In C the filter is left without callbacks from below.",
  "an empty bucket is looked at when its tick begins":
    "A limited connection goes on as soon as the tick begins that fills its bucket. C looks one tick's length later.",
  "a tick is worth what was set when it passed":
    "A new limit counts from now on. In C it counts for ticks, too, that have passed and that nobody has looked at yet.",
  "a bucket survives another length of tick":
    "After a change of the tick's length the bucket goes on as it is. C compares the numbers of ticks of different length.",
  "a group's new limit counts at once":
    "Members that stand still go on if the new limit lets them. In C they wait for the next tick.",
  "a group sleeps while nobody waits":
    "A group's timer runs only while a member stands still. In C it runs for ever, and keeps the loop alive.",
} as const;
