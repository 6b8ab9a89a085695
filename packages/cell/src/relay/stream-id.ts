import { RelayCommand } from "../relay-command.ts";

/** Which stream ID a command's messages carry, as the numbers of {@link streamIdRules}. */
export const StreamIdRule = { ANY: 0, ZERO: 1, NONZERO: 2 } as const;

/**
 * The {@link StreamIdRule} of every command byte, for one look-up per message. Messages of the circuit carry zero, messages
 * of a stream do not, and SENDME is both (tor-spec 6.1). Bytes that are no command carry either.
 */
export const streamIdRules: Uint8Array = (() => {
  const rules = new Uint8Array(256);
  const { SENDME, ...others } = RelayCommand;
  for (const command of Object.values(others)) rules[command] = StreamIdRule.ZERO;
  const ofStreams = [
    RelayCommand.BEGIN,
    RelayCommand.DATA,
    RelayCommand.END,
    RelayCommand.CONNECTED,
    RelayCommand.RESOLVE,
    RelayCommand.RESOLVED,
    RelayCommand.BEGIN_DIR,
    RelayCommand.XOFF,
    RelayCommand.XON,
  ];
  for (const command of ofStreams) rules[command] = StreamIdRule.NONZERO;
  rules[SENDME] = StreamIdRule.ANY;
  return rules;
})();

/** True if messages of this command may carry this stream ID. tor-spec 6.1. */
export const acceptsStreamId = (command: number, streamId: number): boolean => {
  const rule = streamIdRules[command];
  return rule === StreamIdRule.ZERO ? streamId === 0 : rule !== StreamIdRule.NONZERO || streamId !== 0;
};
