/** The kinds of value that are rules. */
import { PolicyError, parsePolicyRules } from "@allium/netdoc";
import { Schema } from "effect";

const policyText = (example: string, describe: (error: PolicyError) => string) =>
  Schema.String.annotate({ expected: `a rule, as in "${example}"` }).check(
    Schema.makeFilter((text: string) => {
      try {
        parsePolicyRules(text);
        return true;
      } catch (error) {
        if (error instanceof PolicyError) return describe(error);
        throw error;
      }
    }),
  );

/** A rule of an exit policy, or several with commas between them. */
export const policyRule = policyText("accept *:80", (error) => error.message);

/** A rule about who may look, or several with commas between them: as that of an exit policy, mostly without a port. */
export const accessRule = policyText("accept 192.0.2.0/24", (error) => error.message.replace("exit policy", "rule"));
