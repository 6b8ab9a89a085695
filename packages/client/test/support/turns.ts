/** Lets turns of the event loop pass. */
export const turns = async (count = 5): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
};

/** Lets turns of the event loop pass until something holds. */
export const turnsUntil = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await turns(1);
};

/** Lets turns of the event loop pass until a figure has stayed the same for many of them. */
export const turnsUntilStill = async (figure: () => number): Promise<number> => {
  let last = figure();
  for (let still = 0; still < 200; still++) {
    await turns(1);
    if (figure() === last) continue;
    last = figure();
    still = 0;
  }
  return last;
};
