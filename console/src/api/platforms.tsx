/** The platforms that this service allows, for all views: what they are called, and where it can post. */

import { createContext, type ComponentChildren } from "preact";
import { useContext, useMemo } from "preact/hooks";
import type { ResponseBody } from "./client";
import { useQuery } from "./query";

type Platform = ResponseBody<"/platforms">["platforms"][number];

interface Platforms {
  /** Whether this service can post to any platform. */
  readonly canPost: boolean;
  /** The name that people know; a platform that is not allowed any more has only its own. */
  readonly label: (platform: string) => string;
}

const NO_PLATFORMS: readonly Platform[] = [];
const Context = createContext<Platforms | null>(null);

export function PlatformsProvider({ children }: { children: ComponentChildren }) {
  const { data } = useQuery("/platforms");
  const platforms = data?.platforms ?? NO_PLATFORMS;
  const value = useMemo(() => {
    const labels = new Map(platforms.map(({ platform, label }) => [platform, label]));
    return {
      canPost: platforms.some(({ server_post }) => server_post),
      label: (platform: string) => labels.get(platform) ?? platform.charAt(0).toUpperCase() + platform.slice(1),
    };
  }, [platforms]);
  return <Context.Provider value={value}>{children}</Context.Provider>;
}

export function usePlatforms(): Platforms {
  const platforms = useContext(Context);
  if (!platforms) throw new Error("outside of PlatformsProvider");
  return platforms;
}
