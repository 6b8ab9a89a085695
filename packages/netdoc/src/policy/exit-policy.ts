import { parsePolicyRules } from "./pattern.ts";
import { allPorts, highestPort, type PortPolicy } from "./port-policy.ts";
import { withoutRedundantRules } from "./redundancy.ts";
import { type AddressFamily, contains, formatRule, type PolicyRule, parseAddress, singleAddress } from "./rule.ts";
import { summarize } from "./summary.ts";

/** What `tor` permits if its configuration says nothing: most ports, but not those of mail, file sharing and the like. */
export const defaultExitPolicy =
  "reject *:25,reject *:119,reject *:135-139,reject *:445,reject *:563,reject *:1214,reject *:4661-4666," +
  "reject *:6346-6429,reject *:6699,reject *:6881-6999,accept *:*";

/** What an exit's operator decides. */
export interface ExitPolicyOptions {
  /** Rules in the syntax of `torrc`; each text may hold several. */
  readonly rules: ReadonlyArray<string>;
  /** Whether IPv6 destinations are permitted at all. */
  readonly ipv6: boolean;
  /** Whether private networks, and the relay's own addresses, are refused before anything else is asked. */
  readonly rejectPrivate: boolean;
  /** The relay's own addresses, without brackets: whoever connects to them from here looks like the relay itself. */
  readonly ownAddresses?: ReadonlyArray<string>;
}

/**
 * Which destinations an exit connects to (dir-spec 2.1.1, `accept` and `reject`): the first rule that is about a destination
 * decides. If none is, it is accepted.
 */
export class ExitPolicy {
  /** Of a relay that is no exit. */
  static readonly rejectAll: ExitPolicy = new ExitPolicy(parsePolicyRules("reject *:*"));

  /** Every address that is not of a private network: whom the public network has to do with. */
  static readonly acceptPublic: ExitPolicy = ExitPolicy.ofOptions({
    rules: ["accept *:*"],
    ipv6: true,
    rejectPrivate: true,
  });

  /** The rules in their order. */
  readonly rules: ReadonlyArray<PolicyRule>;

  constructor(rules: ReadonlyArray<PolicyRule>) {
    this.rules = rules;
  }

  /**
   * The policy of an exit, completed as `tor` completes it: refusals of IPv6 and of private networks first, then the operator's
   * rules, then {@link defaultExitPolicy} for what these leave open.
   *
   * @throws PolicyError if a rule is malformed
   */
  static ofOptions(options: ExitPolicyOptions): ExitPolicy {
    const rules: Array<PolicyRule> = [];
    if (!options.ipv6) rules.push(...parsePolicyRules("reject *6:*"));
    if (options.rejectPrivate) {
      rules.push(...parsePolicyRules("reject private:*"));
      for (const address of options.ownAddresses ?? []) {
        const network = singleAddress(address);
        if (network !== undefined) rules.push({ accept: false, network, low: 1, high: highestPort });
      }
    }
    for (const text of options.rules) rules.push(...parsePolicyRules(text));
    rules.push(...parsePolicyRules(defaultExitPolicy));
    return new ExitPolicy(withoutRedundantRules(rules));
  }

  /**
   * Whether a destination is permitted.
   *
   * @param address an IPv4 or IPv6 address without brackets; anything else is refused. An IPv4 address inside IPv6
   *   (`::ffff:1.2.3.4`) is looked up as what it is
   * @param port 1 to 65535; anything else is refused
   */
  permits(address: string, port: number): boolean {
    const parsed = parseAddress(address);
    if (parsed === undefined || !Number.isInteger(port) || port < 1 || port > highestPort) return false;
    for (const rule of this.rules) {
      if (rule.low <= port && port <= rule.high && contains(rule.network, parsed)) return rule.accept;
    }
    return true;
  }

  /** Whether nothing is permitted in either family: then the relay is no exit. */
  get rejectsAll(): boolean {
    return ([4, 6] as const).every((family) => this.#rejectsFamily(family));
  }

  /** The ports that are open to most addresses of a family: `p` and `p6` lines, `ipv6-policy` (dir-spec 3.8.2). */
  summary(family: AddressFamily): PortPolicy {
    return summarize(this.rules, family);
  }

  /** The lines of a router descriptor: the rules about IPv4. Those about IPv6 are there as a summary only. */
  descriptorLines(): ReadonlyArray<string> {
    const lines = this.rules.filter(({ network }) => network.family === 4).map(formatRule);
    return lines.length === 0 ? ["accept *:*"] : lines;
  }

  #rejectsFamily(family: AddressFamily): boolean {
    for (const rule of this.rules) {
      if (rule.network.family !== family) continue;
      if (rule.accept) return false;
      if (rule.network.bits === 0 && allPorts(rule)) return true;
    }
    return false;
  }
}
