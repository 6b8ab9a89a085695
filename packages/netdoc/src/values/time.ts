/** A moment, in milliseconds since 1970, as `Clock.currentTimeMillis` gives it. Documents know whole seconds only. */
export type UnixMillis = number;

const dateShape = /^(\d{4})-(\d{2})-(\d{2})$/;
const timeShape = /^(\d{2}):(\d{2}):(\d{2})$/;

/** The moment of a date and a time of day in UTC, as documents write them; undefined if there is no such moment. */
export const parseTime = (date: string, time: string): UnixMillis | undefined => {
  const day = dateShape.exec(date);
  const clock = timeShape.exec(time);
  if (day === null || clock === null) return undefined;
  const [hours, minutes, seconds] = [Number(clock[1]), Number(clock[2]), Number(clock[3])];
  // A leap second is the first second of the next minute to everybody else.
  if (hours > 23 || minutes > 59 || seconds > 60) return undefined;
  const midnight = Date.UTC(Number(day[1]), Number(day[2]) - 1, Number(day[3]));
  // The platform lets the 31st of February pass as the 3rd of March, and takes the years below 100 for another century.
  if (formatTime(midnight).slice(0, 10) !== date) return undefined;
  return midnight + ((hours * 60 + minutes) * 60 + seconds) * 1000;
};

/** `YYYY-MM-DD HH:MM:SS` in UTC, as documents write it. Fractions of a second are dropped. */
export const formatTime = (moment: UnixMillis): string => new Date(moment).toISOString().slice(0, 19).replace("T", " ");
