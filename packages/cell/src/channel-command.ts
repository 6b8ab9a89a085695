/** Commands of channel cells, link protocols 3 to 5. tor-spec 3; padding-spec 2.2 for PADDING_NEGOTIATE. */
export const ChannelCommand = {
  PADDING: 0,
  CREATE: 1,
  CREATED: 2,
  RELAY: 3,
  DESTROY: 4,
  CREATE_FAST: 5,
  CREATED_FAST: 6,
  VERSIONS: 7,
  NETINFO: 8,
  RELAY_EARLY: 9,
  CREATE2: 10,
  CREATED2: 11,
  PADDING_NEGOTIATE: 12,
  VPADDING: 128,
  CERTS: 129,
  AUTH_CHALLENGE: 130,
  AUTHENTICATE: 131,
  AUTHORIZE: 132,
} as const;

/** The number of a channel command that this package knows. A cell's command byte may be another: see {@link channelCommandName}. */
export type ChannelCommand = (typeof ChannelCommand)[keyof typeof ChannelCommand];

/** The name of a channel command as the specification writes it. */
export type ChannelCommandName = keyof typeof ChannelCommand;

const names = new Map<number, ChannelCommandName>(
  (Object.keys(ChannelCommand) as Array<ChannelCommandName>).map((name) => [ChannelCommand[name], name]),
);

/** The name of a command byte, or undefined for one that link protocols 3 to 5 do not define. */
export const channelCommandName = (command: number): ChannelCommandName | undefined => names.get(command);

/** True for commands whose cells carry a length field: VERSIONS, and all from 128 on. tor-spec 3. */
export const isVariableLength = (command: number): boolean => command === ChannelCommand.VERSIONS || command >= 128;

/**
 * What circuit ID a command's cells must carry: none (zero), one (nonzero), or either, for commands that are not defined.
 * tor-spec 3 and 5.1.1.
 */
export const circIdRule = (command: number): "zero" | "nonzero" | "any" => {
  switch (command) {
    case ChannelCommand.CREATE:
    case ChannelCommand.CREATED:
    case ChannelCommand.RELAY:
    case ChannelCommand.DESTROY:
    case ChannelCommand.CREATE_FAST:
    case ChannelCommand.CREATED_FAST:
    case ChannelCommand.RELAY_EARLY:
    case ChannelCommand.CREATE2:
    case ChannelCommand.CREATED2:
      return "nonzero";
    case ChannelCommand.PADDING:
    case ChannelCommand.VERSIONS:
    case ChannelCommand.NETINFO:
    case ChannelCommand.PADDING_NEGOTIATE:
    case ChannelCommand.VPADDING:
    case ChannelCommand.CERTS:
    case ChannelCommand.AUTH_CHALLENGE:
    case ChannelCommand.AUTHENTICATE:
      return "zero";
    default:
      return "any";
  }
};
